"""The expressions of public alert and recording rules, from a folder beside the project's."""

import glob
import os

from fleet import Unavailable

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.environ.get("P14_RULES", os.path.normpath(f"{HERE}/../../../shared/conformance/rules"))


def expressions() -> list[str]:
    """In the order of files, groups and rules; kube-prometheus has its groups below `spec`."""
    try:
        import yaml
    except ImportError:
        raise Unavailable("python3-yaml is not installed: apt-get install python3-yaml") from None
    paths = sorted(glob.glob(f"{FOLDER}/*/*.y*ml"))
    if not paths:
        raise Unavailable(f"there are no rule files below {FOLDER}: P14_RULES names the folder")
    found: list[str] = []
    for path in paths:
        with open(path) as file:
            for document in yaml.safe_load_all(file):
                groups = (document or {}).get("spec", document or {}).get("groups", [])
                found += [str(rule["expr"]).strip() for group in groups for rule in group["rules"] or []]
    return found
