# @title Set up
# Find the project beside this notebook, on Drive, or clone it; then import what every notebook leans on.
import os, subprocess, sys
from pathlib import Path

REPOSITORY = "@REPOSITORY@"
NAME = REPOSITORY.rstrip("/").rsplit("/", 1)[-1]
places = [Path.cwd(), Path.cwd().parent, Path.cwd() / NAME, Path("/content/drive/MyDrive") / NAME]
project = next((place for place in places if (place / "utils.py").is_file() and (place / "srgan").is_dir()), None)
if project is None:
    project = Path.cwd() / NAME
    subprocess.run(["git", "clone", "--depth", "1", REPOSITORY, str(project)], check=True)
sys.path.insert(0, str(project))

import utils
