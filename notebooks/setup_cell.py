# @title Set up
# Find the project beside this notebook, on Drive, in Kaggle's input, or clone it; then import what every notebook leans on.
import importlib.util, os, subprocess, sys
from pathlib import Path

REPOSITORY = "@REPOSITORY@"
NAME = REPOSITORY.rstrip("/").rsplit("/", 1)[-1]
KAGGLE = Path("/kaggle/input")
places = [Path.cwd(), Path.cwd().parent, Path.cwd() / NAME, Path("/content/drive/MyDrive") / NAME]
places += [KAGGLE / NAME, *KAGGLE.glob(f"*/{NAME}"), *KAGGLE.glob(f"*/*/{NAME}")]
project = next((place for place in places if (place / "utils.py").is_file() and (place / "srgan").is_dir()), None)
if project is None:
    project = Path.cwd() / NAME
    if KAGGLE.is_dir():
        print("Cloning the project. If that fails: right-hand panel, Session options > Internet on.")
    subprocess.run(["git", "clone", "--depth", "1", REPOSITORY, str(project)], check=True)
sys.path.insert(0, str(project))
if importlib.util.find_spec("pyvips") is None:  # reads and writes images; Colab and Kaggle do not have it
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "pyvips>=3.0,<4", "pyvips-binary>=8.16,<9"], check=True)

import utils
