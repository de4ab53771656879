import pytest


@pytest.fixture
def csv_file(tmp_path):
    """Return a function that writes a file of the given lines or bytes."""

    def make(*lines, content=None):
        path = tmp_path / "patients.csv"
        path.write_bytes("\n".join(lines).encode() if content is None else content)
        return path

    return make
