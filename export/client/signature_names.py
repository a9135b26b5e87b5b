"""Under which names does an exported model offer its functions?

What each takes and gives: `export.signatures`.
"""

# Not "serve": with a signature of that name the LiteRT converter drops the
# others.
SERVING_DEFAULT = "serving_default"
PATCH_LOGITS = "patch_logits"
IMAGE_BYTES = "image_bytes"
CLASS_EVIDENCE = "class_evidence"
ROBUST_LOGITS = "robust_logits"
