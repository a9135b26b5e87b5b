/** What does metadata.json say of the model, and can it be believed? */

import { Problem, reasonOf } from "./problem.js";

// The metadata.json that this page can read.
const FORMAT_VERSION = 2;
const HEADS = ["softmax", "sigmoid"];

// Which of several files to begin with: evidence nearly that of the model at
// a quarter of its size before all of it, and 8-bit activations last.
const KINDS = [
  ["litert_dynamic", "8-bit weights"],
  ["litert_fp16", "16-bit weights"],
  ["litert", "32 bits"],
  ["litert_int8", "8 bits"],
];

/**
 * Reads and checks metadata.json.
 *
 * @param {URL} url Where it is.
 * @return {Promise<object>} It, with `models`: what can be run, the best to
 *     begin with first; each `{name, title, path, url, sha256, bytes,
 *     inputSize, inputDtype, gridShape}`.
 */
export async function readMetadata(url) {
  const text = await fetchText(url);
  let metadata;
  try {
    metadata = JSON.parse(text);
  } catch (error) {
    throw new Problem(`metadata.json is damaged (${reasonOf(error)}).`);
  }
  if (metadata?.format_version !== FORMAT_VERSION) {
    throw new Problem(
      `metadata.json must be of format version ${FORMAT_VERSION}; this one ` +
      `says ${metadata?.format_version}. Export the model and this page ` +
      "together.",
    );
  }
  let models;
  try {
    models = modelsOf(metadata, url);
  } catch (error) {
    throw new Problem(`metadata.json is incomplete (${reasonOf(error)}).`);
  }
  return { ...metadata, models };
}

async function fetchText(url) {
  let response;
  try {
    response = await fetch(url, { cache: "no-cache" });
  } catch (error) {
    throw new Problem(
      `metadata.json cannot be fetched (${reasonOf(error)}). Is the web ` +
      "server still there?",
    );
  }
  if (!response.ok) {
    throw new Problem(
      `metadata.json cannot be fetched (status ${response.status}). Has the ` +
      "whole folder been copied?",
    );
  }
  return response.text();
}

/** Checks what the page uses; throws what is missing, in words. */
function modelsOf(metadata, url) {
  const { labels, head, input, geometry, formats, files } = metadata;
  demand(
    Array.isArray(labels) && labels.length > 0 &&
      labels.every((label) => typeof label === "string"),
    "labels must be class names",
  );
  demand(HEADS.includes(head), `head must be one of ${HEADS.join(", ")}`);
  demand([1, 3].includes(input?.channels), "input.channels must be 1 or 3");
  demand(
    geometry?.receptive_field >= 1 && geometry?.stride >= 1,
    "geometry must have receptive_field and stride",
  );
  const models = Object.entries(formats ?? {})
    .filter(([, format]) => /\.tflite$/.test(format?.path))
    .map(([name, format]) => modelOf(name, format, files, url));
  demand(models.length, "formats must have a .tflite file");
  const rank = ({ name }) => KINDS.findIndex(([kind]) => kind === kindOf(name));
  return models.sort((a, b) => rank(a) - rank(b) || compareSizes(a, b));
}

function modelOf(name, format, files, url) {
  const file = files?.[format.path];
  demand(file?.sha256, `files must have the sha256 of ${format.path}`);
  demand(
    isShape(format.input_size) && isShape(format.grid_shape),
    `formats.${name} must have input_size and grid_shape`,
  );
  demand(
    ["float32", "uint8"].includes(format.input_dtype),
    `formats.${name}.input_dtype must be float32 or uint8`,
  );
  const title = KINDS.find(([kind]) => kind === kindOf(name))?.[1] ?? name;
  return {
    name,
    title,
    path: format.path,
    url: new URL(format.path, url).href,
    sha256: file.sha256,
    bytes: file.bytes,
    inputSize: format.input_size,
    inputDtype: format.input_dtype,
    gridShape: format.grid_shape,
  };
}

/** The name of a format without the size that may end it. */
function kindOf(name) {
  return name.replace(/_\d+x\d+$/, "");
}

function compareSizes(a, b) {
  return a.inputSize[0] - b.inputSize[0];
}

function isShape(value) {
  return Array.isArray(value) && value.length === 2 &&
    value.every((side) => Number.isInteger(side) && side > 0);
}

function demand(condition, message) {
  if (!condition) {
    throw new Error(message);
  }
}

/**
 * The operating thresholds that were fitted with the model.
 *
 * @param {object} metadata From `readMetadata`.
 * @return {Map<number, number>} Probabilities, by class id.
 */
export function thresholdsOf(metadata) {
  const points = metadata.metrics?.operating_points ?? [];
  return new Map(points.map((point) => [point.class_id, point.threshold]));
}
