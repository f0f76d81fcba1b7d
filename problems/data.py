"""Real data through one door: LIBSVM, CSV and npz files, and the sets that scikit-learn brings along.

Good files go through the fast readers of scikit-learn and NumPy. When those refuse, or let NaN or infinity
through, the file is read again line by line by a reader that knows where it is, and the caller gets a
``DataError`` naming file and line.
"""

from __future__ import annotations

import bz2
import csv
import difflib
import gzip
import lzma
import math
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np
import scipy.sparse.linalg

from .errors import DataError

Matrix = Any  # np.ndarray or scipy.sparse.csr_array

BUNDLED = ("breast_cancer", "diabetes", "digits", "iris", "wine")
"""Names that ``load_data`` knows without a file."""

SPARSE_BELOW = 0.25
"""Sparse sources stay sparse below this share of nonzeros: above it, dense products are faster."""

_OPENERS: dict[str, Callable[..., IO]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_MAX_INDEX = 2**31 - 1
_LIBSVM_LINE = "a LIBSVM line 'label index:value index:value ...'"


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Samples and labels.

    ``X``: ``(n, d)`` float64, dense or ``scipy.sparse.csr_array``; ``y``: ``(n,)`` float64, as the file has
    it; ``name``: of the bundled set or of the file; ``feature_names``: ``d`` strings, or None where there are
    none. Raises ``DataError`` when shapes disagree or an entry is not a finite number.
    """

    X: Matrix
    y: np.ndarray
    name: str
    feature_names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        X = self.X if scipy.sparse.issparse(self.X) else np.asarray(self.X)
        y = np.asarray(self.y)
        for letter, array in (("X", X), ("y", y)):
            if array.dtype.kind not in "fiub":
                raise DataError(self.name, f"{letter} has dtype {array.dtype}, and real numbers are wanted.")
        if X.ndim != 2 or y.shape != X.shape[:1] or 0 in X.shape:
            raise DataError(
                self.name, f"X is {X.shape} and y is {y.shape}; (n, d) and (n,), not empty, are wanted."
            )
        if scipy.sparse.issparse(X):
            X = scipy.sparse.csr_array(X, dtype=np.float64)
        else:
            X = np.asarray(X, dtype=np.float64, order="C")
        y = np.asarray(y, np.float64)
        for letter, array in (("X", X), ("y", y)):
            row = _first_non_finite_row(array)
            if row is not None:
                raise DataError(self.name, f"row {row} of {letter} is not finite; finite numbers are wanted.")
        if self.feature_names is not None and len(self.feature_names) != X.shape[1]:
            names = len(self.feature_names)
            raise DataError(self.name, f"there are {names} feature names for the {X.shape[1]} columns of X.")
        object.__setattr__(self, "X", X)
        object.__setattr__(self, "y", y)

    def __repr__(self) -> str:
        n, d = self.X.shape
        kind = f"{self.X.nnz / (n * d):.1%} nonzero" if scipy.sparse.issparse(self.X) else "dense"
        return f"Dataset({self.name!r}, {n} x {d}, {kind}, {len(np.unique(self.y))} distinct labels)"

    @property
    def signs(self) -> np.ndarray:
        """Labels as ``(n,)`` floats in {-1, +1}, the smaller being -1; ``DataError`` unless there are two."""
        labels = np.unique(self.y)
        if len(labels) != 2:
            shown = ", ".join(f"{label:g}" for label in labels[:5]) + (", ..." if len(labels) > 5 else "")
            count = "1 distinct label" if len(labels) == 1 else f"{len(labels)} distinct labels"
            raise DataError(self.name, f"y holds {count} ({shown}), and a two-class problem wants exactly 2.")
        return np.where(self.y == labels[1], 1.0, -1.0)

    def standardized(self, intercept: bool = False) -> Dataset:
        """Dense columns of zero mean and unit variance (divisor ``n``); constant columns are dropped.

        ``intercept`` appends a column of ones, "intercept". ``DataError`` when every column is constant.
        """
        X = self.X.toarray() if scipy.sparse.issparse(self.X) else self.X
        keep = np.flatnonzero(X.min(axis=0) < X.max(axis=0))
        if not len(keep):
            raise DataError(self.name, "every column of X is constant, so there is nothing to standardize.")
        # Scaled first, so that squares do not overflow; centered twice, because the first mean of a column
        # with a large offset carries the rounding of that offset.
        X = X[:, keep] / np.abs(X[:, keep]).max(axis=0)
        X = X - X.mean(axis=0)
        X = X - X.mean(axis=0)
        X = X / np.abs(X).max(axis=0)
        X = X / X.std(axis=0)
        names = None if self.feature_names is None else tuple(self.feature_names[j] for j in keep)
        if intercept:
            X = np.column_stack([X, np.ones(len(X))])
            names = None if names is None else (*names, "intercept")
        return replace(self, X=X, feature_names=names)

    def normalized(self) -> Dataset:
        """Rows scaled to unit Euclidean norm, dense or sparse as before; zero rows stay zero."""
        X, norm = self.X, scipy.sparse.linalg.norm if scipy.sparse.issparse(self.X) else np.linalg.norm
        # Through the largest entry of each row first, so that squares neither overflow nor vanish.
        for order in (np.inf, 2):
            size = norm(X, order, axis=1)
            X = X / np.where(size > 0, size, 1.0)[:, None]
        return replace(self, X=X)


def load_data(
    path_or_name: str | os.PathLike[str] = "breast_cancer", *, label: str | int | None = None
) -> Dataset:
    """Read a data set from a file, or take one of ``BUNDLED`` by its name.

    - ``.csv .tsv``: separated by commas, semicolons or tabs; a header is recognized by having no number among
      its features; ``label`` is the name or position of the label column (default: the last). Labels that are
      text are numbered 0, 1, ... in alphabetical order.
    - ``.npz``: keys ``X`` and ``y``, or ``y`` and ``data, indices, indptr, shape`` of a sparse matrix.
    - anything else is LIBSVM/SVMLight (``.svm .libsvm .svmlight .txt``, or no suffix, as in the LIBSVM
      collection): indices from 1, or from 0 if index 0 appears; ``qid:`` is skipped.

    Text files may be compressed (``.gz .bz2 .xz``) and hold blank lines and ``#`` comments. A file that bears
    the name of a bundled set is reached by a path: ``./iris``. Raises ``DataError`` naming file and line.
    """
    if path_or_name in BUNDLED:
        _refuse_label(path_or_name, label)
        return _bundled(path_or_name)
    path = Path(path_or_name).expanduser()
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() not in _OPENERS]
    kind = suffixes[-1] if suffixes else ""
    try:
        if not path.is_file():
            raise DataError(path_or_name, _why_not_a_file(path_or_name, path))
        if kind in (".csv", ".tsv"):
            return _read_csv(path, label)
        _refuse_label(path, label)
        return _read_npz(path) if kind == ".npz" else _read_libsvm(path)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise DataError(path_or_name, f"the file cannot be read ({error}).") from error


def _bundled(name: str) -> Dataset:
    import sklearn.datasets  # half a second, only when asked for

    bunch = getattr(sklearn.datasets, f"load_{name}")()
    return Dataset(bunch.data, bunch.target, name, tuple(map(str, bunch.feature_names)))


def _refuse_label(path: str | os.PathLike[str], label: str | int | None) -> None:
    if label is not None:
        raise DataError(path, f"label={label!r} was given, and only CSV files have a label column to choose.")


def _why_not_a_file(given: str | os.PathLike[str], path: Path) -> str:
    if path.is_dir():
        return "this is a folder, and a data file is wanted."
    if isinstance(given, str) and path.name == given and not path.suffix:
        close = difflib.get_close_matches(given.lower(), BUNDLED, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"the bundled ones are {', '.join(BUNDLED)}."
        return f"no file and no bundled data set has this name; {hint}"
    return "there is no such file."


def _open(path: Path, mode: str, **options: str) -> IO:
    return _OPENERS.get(path.suffix.lower(), open)(path, mode, **options)


def _open_text(path: Path) -> IO[str]:
    # A byte that is not UTF-8 becomes a mark that no number contains, so it is reported with its line.
    return _open(path, "rt", encoding="utf-8-sig", errors="replace")


def _number(text: str) -> float | None:
    """The finite or infinite number that ``text`` spells, or None."""
    try:
        return float(text)
    except ValueError:
        return None


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 30 else text[:27] + "...")


def _first_non_finite_row(array: Matrix) -> int | None:
    """Index of the first row holding NaN or infinity, or None."""
    if scipy.sparse.issparse(array):
        bad = np.flatnonzero(~np.isfinite(array.data))
        return int(np.searchsorted(array.indptr, bad[0], side="right") - 1) if len(bad) else None
    finite = np.isfinite(array).reshape(len(array), -1).all(axis=1)
    return None if finite.all() else int(np.argmin(finite))


def _sparse_or_dense(X: scipy.sparse.csr_array) -> Matrix:
    X.eliminate_zeros()
    return X if X.nnz < SPARSE_BELOW * X.shape[0] * X.shape[1] else X.toarray()


# LIBSVM


def _read_libsvm(path: Path) -> Dataset:
    from sklearn.datasets import load_svmlight_file

    try:
        with _open(path, "rb") as file:
            X, y = load_svmlight_file(file, dtype=np.float64, zero_based="auto")
    except (ValueError, OverflowError) as error:
        _find_libsvm_fault(path, str(error))
    if len(y) == 0 or X.nnz == 0 or not np.isfinite(X.data).all() or not np.isfinite(y).all():
        _find_libsvm_fault(path, "no line has a feature")
    return Dataset(_sparse_or_dense(scipy.sparse.csr_array(X)), y, path.name)


def _find_libsvm_fault(path: Path, reason: str) -> NoReturn:
    """Raise the ``DataError`` of the first malformed line, or of the whole file with ``reason``."""
    empty = True
    with _open_text(path) as file:
        for line, text in enumerate(file, start=1):
            label, *features = text.split("#", 1)[0].split() or [""]
            if not label:
                continue
            empty = False
            value = _number(label)
            if value is None:
                message = f"the label {_quoted(label)} is not a number; {_LIBSVM_LINE} is wanted."
                raise DataError(path, message, line)
            if not math.isfinite(value):
                raise DataError(path, f"the label is {label}; a finite number is wanted.", line)
            if features and features[0].startswith("qid:"):
                features = features[1:]
            previous = -1
            for feature in features:
                previous = _checked_index(path, line, feature, previous)
    if empty:
        raise DataError(path, f"the file holds no sample; {_LIBSVM_LINE} for each sample is wanted.")
    raise DataError(path, f"this is no LIBSVM file ({reason}); {_LIBSVM_LINE} for each sample is wanted.")


def _checked_index(path: Path, line: int, feature: str, previous: int) -> int:
    """The index of one ``index:value``, checked to be a larger one than ``previous`` with a finite value."""
    try:
        index_text, value_text = feature.split(":")
        index, value = int(index_text), float(value_text)
    except ValueError:
        message = f"{_quoted(feature)} is not index:value (an integer and a number)."
        raise DataError(path, message, line) from None
    if not math.isfinite(value):
        raise DataError(path, f"the value of {_quoted(feature)} is not a finite number.", line)
    if not 0 <= index <= _MAX_INDEX:
        message = f"the index of {_quoted(feature)} is outside 1 to {_MAX_INDEX} (0 in files from 0)."
        raise DataError(path, message, line)
    if index <= previous:
        raise DataError(path, f"index {index} follows {previous}; ascending indices are wanted.", line)
    return index


# CSV


def _read_csv(path: Path, label: str | int | None) -> Dataset:
    with _open_text(path) as file:
        first_line = next((text for text in file if text.split("#", 1)[0].strip()), "")
    delimiter = max(",;\t", key=first_line.count)
    rows = list(islice(_csv_rows(path, delimiter), 2))
    if not rows:
        raise DataError(path, "the file holds no sample; one line of numbers for each sample is wanted.")
    line, cells = rows[0]
    if len(cells) < 2:
        raise DataError(path, "there is one column; features and a label are wanted.", line)
    column = _label_column(path, line, cells, label)
    # pandas may number the columns: a label given by its name also shows that the first row is a header.
    header = isinstance(label, str) or all(_number(c) is None for j, c in enumerate(cells) if j != column)
    if header and len(rows) == 1:
        raise DataError(path, "no sample is below the header; one line of numbers for each is wanted.", line)
    try:
        with _open_text(path) as file:
            skip = line if header else 0
            table = np.loadtxt(file, delimiter=delimiter, comments="#", quotechar='"', skiprows=skip, ndmin=2)
    except ValueError:
        table = None
    if table is not None and table.shape[1] == len(cells) and np.isfinite(table).all():
        X, y = np.delete(table, column, axis=1), table[:, column]
    else:
        X, y = _read_csv_line_by_line(path, delimiter, column, cells, header)
    names = tuple(c for j, c in enumerate(cells) if j != column) if header else None
    return Dataset(X, y, path.name, names)


def _csv_rows(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and stripped cells of every row that is neither blank nor a comment."""
    with _open_text(path) as file:
        reader = csv.reader((text.split("#", 1)[0].strip(" \r\n") for text in file), delimiter=delimiter)
        try:
            for cells in reader:
                if cells:
                    yield reader.line_num, [cell.strip() for cell in cells]
        except csv.Error as error:
            raise DataError(path, f"this is no CSV line ({error}).", reader.line_num) from error


def _label_column(path: Path, line: int, cells: list[str], label: str | int | None) -> int:
    if isinstance(label, str):
        if label not in cells:
            close = difflib.get_close_matches(label, cells, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"the columns are {_quoted(', '.join(cells))}."
            raise DataError(path, f"no column has the name {label!r} given as label; {hint}", line)
        return cells.index(label)
    column = -1 if label is None else label
    if not -len(cells) <= column < len(cells):
        raise DataError(path, f"label={label} is no column: they are numbered 0 to {len(cells) - 1}.", line)
    return column % len(cells)


def _read_csv_line_by_line(
    path: Path, delimiter: str, column: int, names: list[str], header: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Features and labels of a file that the fast reader refused: text labels, or a fault to be named."""
    X, labels, lines = [], [], []
    for line, cells in islice(_csv_rows(path, delimiter), int(header), None):
        if len(cells) != len(names):
            message = f"the line has {len(cells)} cells, and {len(names)} as in the first are wanted."
            raise DataError(path, message, line)
        if not cells[column]:
            raise DataError(path, f"column {column}, the label, is empty; a label is wanted.", line)
        labels.append(cells[column])
        lines.append(line)
        X.append([_cell(path, line, c, j, names, header) for j, c in enumerate(cells) if j != column])
    # A column of words is a column of classes; a word among numbers is a slip, and is reported.
    if any(_number(label) is not None for label in labels):
        y = [_cell(path, line, c, column, names, header) for line, c in zip(lines, labels, strict=True)]
        return np.array(X), np.array(y)
    return np.array(X), np.unique(labels, return_inverse=True)[1].astype(np.float64)


def _cell(path: Path, line: int, cell: str, column: int, names: list[str], header: bool) -> float:
    value = _number(cell)
    if value is None or not math.isfinite(value):
        where = f"column {column}" + (f" ({names[column]})" if header else "")
        raise DataError(path, f"{where} holds {_quoted(cell)}; a finite number is wanted.", line)
    return value


# npz


def _read_npz(path: Path) -> Dataset:
    try:
        with np.load(path, allow_pickle=False) as archive:
            parts = {key: archive[key] for key in archive.files}
    except (ValueError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        raise DataError(path, f"this is no npz archive of plain arrays ({error}).") from error
    sparse_parts = ("data", "indices", "indptr", "shape")
    if "y" in parts and "X" in parts:
        return Dataset(parts["X"], parts["y"], path.name)
    if "y" not in parts or any(key not in parts for key in sparse_parts):
        found = ", ".join(sorted(parts)) or "nothing"
        raise DataError(path, f"it holds {found}; X and y, or y and {', '.join(sparse_parts)}, are wanted.")
    build = {"csr": scipy.sparse.csr_array, "csc": scipy.sparse.csc_array}
    form = parts["format"].item() if "format" in parts else "csr"
    form = form.decode() if isinstance(form, bytes) else form
    if form not in build:
        raise DataError(path, f"the sparse format is {form!r}; csr or csc is wanted.")
    try:
        X = build[form](tuple(parts[key] for key in sparse_parts[:3]), shape=tuple(map(int, parts["shape"])))
        X.check_format(full_check=True)
    except (ValueError, TypeError) as error:
        raise DataError(path, f"the sparse parts do not fit together ({error}).") from error
    X = scipy.sparse.csr_array(X)
    X.sum_duplicates()
    return Dataset(_sparse_or_dense(X), parts["y"], path.name)
