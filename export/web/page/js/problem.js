/** What is told to a person in words, and what is a mistake of this page? */

/** Something that went wrong, in one or two sentences for the person. */
export class Problem extends Error {}

/**
 * The words for whatever was thrown.
 *
 * @param {unknown} error What was caught.
 * @return {string} One or two sentences.
 */
export function inWords(error) {
  if (error instanceof Problem) {
    return error.message;
  }
  return `Something went wrong in this page (${reasonOf(error)}).`;
}

/**
 * What was thrown, as part of a sentence.
 *
 * @param {unknown} error Errors, but also the numbers that WebAssembly throws.
 * @return {string} Without a full stop at the end.
 */
export function reasonOf(error) {
  return String(error?.message ?? error).trim().replace(/\.$/, "");
}
