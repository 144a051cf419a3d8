import subprocess
import sys
from pathlib import Path

from bench.processes import ROOT


def test_the_picture_of_the_packages_fits_the_code(tmp_path: Path) -> None:
    drawn = tmp_path / "architecture.svg"
    subprocess.run([sys.executable, "scripts/architecture.py", str(drawn)], cwd=ROOT, check=True)
    committed = ROOT / "docs/images/architecture.svg"
    assert drawn.read_text() == committed.read_text(), "run: python scripts/architecture.py"
