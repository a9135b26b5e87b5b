"""Repositories made of text, under the names of those on the network."""

# What Bazel 2.1 has itself, but for `main_module`.
_RULES_PYTHON = """
def py_library(**kwargs):
    native.py_library(**kwargs)

def py_test(**kwargs):
    native.py_test(**kwargs)

def py_binary(name, main_module = None, **kwargs):
    if not main_module:
        native.py_binary(name = name, **kwargs)
        return
    main = name + "_main.py"
    code = "import runpy; runpy.run_module(" + \\
           "'%s', run_name='__main__', alter_sys=True)" % main_module
    native.genrule(
        name = name + "_main",
        outs = [main],
        cmd = "echo \\"%s\\" > $@" % code,
    )
    native.py_binary(name = name, srcs = [main], main = main, **kwargs)
"""

# Bazel's own tools load these.
_CC_RULES = [
    "cc_binary",
    "cc_library",
    "cc_proto_library",
    "cc_test",
    "cc_toolchain",
    "cc_toolchain_suite",
    "objc_library",
]
_JAVA_RULES = [
    "java_binary",
    "java_import",
    "java_library",
    "java_proto_library",
    "java_runtime",
    "java_toolchain",
]
_COVERAGE_TOOLS = """
package(default_visibility = ["//visibility:public"])
filegroup(name = "coverage_report_generator")
filegroup(name = "lcov_merger")
"""

def _text_repository_impl(ctx):
    ctx.file("WORKSPACE")
    for path, text in ctx.attr.files.items():
        ctx.file(path, text)

_text_repository = repository_rule(
    attrs = {"files": attr.string_dict()},
    implementation = _text_repository_impl,
)

def _pip_hub_impl(ctx):
    ctx.file("WORKSPACE")
    for line in ctx.read(ctx.attr.requirements).splitlines():
        name = line.partition("==")[0].lower()
        name = name.replace("-", "_").replace(".", "_")
        ctx.file(
            name + "/BUILD",
            "py_library(name = '%s', visibility = ['//visibility:public'])" %
            name,
        )

# A target for each locked package; the code is that of the Python that runs.
_pip_hub = repository_rule(
    attrs = {"requirements": attr.label(allow_single_file = True)},
    implementation = _pip_hub_impl,
)

def _native(rules):
    return "".join(["%s = native.%s\n" % (rule, rule) for rule in rules])

def stub_repositories():
    """Declares all that the project and Bazel itself would download."""
    files = {"python/BUILD": ""}
    for rule in ("py_binary", "py_library", "py_test"):
        files["python/%s.bzl" % rule] = _RULES_PYTHON
    _text_repository(name = "rules_python", files = files)
    _text_repository(
        name = "rules_cc",
        files = {"cc/BUILD": "", "cc/defs.bzl": _native(_CC_RULES)},
    )
    _text_repository(
        name = "rules_java",
        files = {"java/BUILD": "", "java/defs.bzl": _native(_JAVA_RULES)},
    )
    _text_repository(
        name = "remote_coverage_tools",
        files = {"BUILD": _COVERAGE_TOOLS},
    )
    _pip_hub(name = "pypi", requirements = "//:requirements.lock")
