/** How is a photo taken? In a dialog, from the camera's picture. */

import { Problem, reasonOf } from "./problem.js";

const REASONS = {
  NotAllowedError: "the browser was not allowed to use it",
  NotFoundError: "there is none",
  NotReadableError: "another program uses it",
};

/** @return {boolean} Whether the browser offers cameras to this page. */
export function hasCamera() {
  return Boolean(navigator.mediaDevices?.getUserMedia);
}

/**
 * Shows the camera's picture and waits for the person.
 *
 * @param {HTMLDialogElement} dialog With a video and a form whose button of
 *     value "take" takes the photo.
 * @return {Promise<?Blob>} The photo as a file, or null if none was taken.
 */
export async function takePhoto(dialog) {
  const video = dialog.querySelector("video");
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({
      video: { facingMode: "environment", width: { ideal: 1920 } },
    });
  } catch (error) {
    throw new Problem(
      `The camera cannot be used: ${REASONS[error.name] ?? reasonOf(error)}.`,
    );
  }
  const closed = new Promise((resolve) => {
    dialog.addEventListener("close", resolve, { once: true });
  });
  const take = dialog.querySelector("[value=take]");
  take.disabled = true;
  video.onplaying = () => (take.disabled = false);
  try {
    video.srcObject = stream;
    dialog.returnValue = "";
    dialog.showModal();
    await closed;
    return dialog.returnValue === "take" ? await pictureOf(video) : null;
  } finally {
    stream.getTracks().forEach((track) => track.stop());
    video.srcObject = null;
  }
}

function pictureOf(video) {
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  canvas.getContext("2d").drawImage(video, 0, 0);
  return canvas.convertToBlob(); // As PNG: every pixel as it was.
}
