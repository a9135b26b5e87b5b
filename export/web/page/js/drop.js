/** How is a photo dropped on the page, or pasted into it? */

import { Problem } from "./problem.js";

/**
 * Takes what is dropped anywhere on the page.
 *
 * @param {function(File): void} onPhoto Given the first file.
 * @param {function(Problem): void} onProblem Told where there was no file.
 */
export function onDroppedPhoto(onPhoto, onProblem) {
  const page = document.documentElement;
  let depth = 0; // Of elements entered: each has events of its own.
  const mark = (change) => {
    depth = change === 0 ? 0 : Math.max(depth + change, 0);
    page.classList.toggle("dragging", depth > 0);
  };
  page.addEventListener("dragenter", () => mark(1));
  page.addEventListener("dragleave", () => mark(-1));
  page.addEventListener("dragover", (event) => event.preventDefault());
  page.addEventListener("drop", (event) => {
    event.preventDefault();
    mark(0);
    const [file] = event.dataTransfer.files;
    if (file) {
      onPhoto(file);
    } else {
      onProblem(new Problem(
        "That was no file. Save the picture first, then drop its file here.",
      ));
    }
  });
  page.addEventListener("paste", ({ clipboardData }) => {
    const [file] = clipboardData.files;
    if (file) {
      onPhoto(file);
    }
  });
}
