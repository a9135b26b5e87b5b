/** Where is an element of the page? By its id, as index.html gives it. */

/**
 * @param {string} id Of an element that is there.
 * @return {HTMLElement} The element.
 */
export function element(id) {
  return document.getElementById(id);
}
