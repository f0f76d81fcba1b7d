"""Data files: what is read, and that every fault is one sentence naming file and line."""

import bz2
import gzip
import lzma
import pickle
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

from optlab.problems.data import BUNDLED, Dataset, load_data
from optlab.problems.errors import AssumptionError, DataError, OptlabError, ProblemError

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture
def write(tmp_path):
    """Write text or bytes into a file of the given name and return its path."""

    def _write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return _write


def dense(data):
    return data.X.toarray() if scipy.sparse.issparse(data.X) else data.X


def fault(path, **options):
    """The error of loading ``path``, checked to be one sentence that begins with the file."""
    with pytest.raises(DataError) as caught:
        load_data(path, **options)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    assert message[-1] in ".?"
    return caught.value


# Errors


def test_errors_are_value_errors_with_one_base():
    for kind in (ProblemError, AssumptionError, DataError):
        assert issubclass(kind, OptlabError)
        assert issubclass(kind, ValueError)


def test_data_error_renders_file_and_line_and_survives_pickling():
    error = DataError("a.svm", "this is wrong.", 3)
    for e in (error, pickle.loads(pickle.dumps(error))):
        assert str(e) == "a.svm, line 3: this is wrong."
        assert (e.path, e.message, e.line) == ("a.svm", "this is wrong.", 3)
    assert str(DataError(Path("a.svm"), "this is wrong.")) == "a.svm: this is wrong."


# Bundled sets and names


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled(name):
    data = load_data(name)
    assert data.name == name
    assert data.X.dtype == data.y.dtype == np.float64
    assert data.X.shape == (len(data.y), len(data.feature_names))
    assert name in repr(data)
    assert len(repr(data)) < 100


def test_default_is_breast_cancer_with_two_signs():
    data = load_data()
    assert data.name == "breast_cancer"
    assert set(np.unique(data.signs)) == {-1.0, 1.0}
    assert np.array_equal(data.signs > 0, data.y == 1)


@pytest.mark.parametrize("name", ["iris", "diabetes"])
def test_other_than_two_labels_have_no_signs(name):
    with pytest.raises(DataError, match=rf"{name}: y holds \d+ distinct labels .* exactly 2"):
        _ = load_data(name).signs


def test_unknown_names(tmp_path):
    assert "did you mean 'breast_cancer'?" in str(fault("brest_cancer"))
    assert "breast_cancer, diabetes, digits" in str(fault("zzz"))
    assert "no such file" in str(fault("breast_cancer.svm"))
    assert "no such file" in str(fault(tmp_path / "none.csv"))
    assert "folder" in str(fault(tmp_path))
    assert "cannot be read" in str(fault("x" * 5000))


# LIBSVM


GOOD = "# two samples\n\n+1 qid:3 1:0.5 3:2 # note\r\n-1 2:1e0\n"
GOOD_X = [[0.5, 0, 2], [0, 1, 0]]


@pytest.mark.parametrize("name", ["a.svm", "a.libsvm", "a.svmlight", "a.txt", "a9a", "a9a.t", "A.SVM"])
def test_libsvm_suffixes(write, name):
    data = load_data(write(name, GOOD))
    assert np.array_equal(dense(data), GOOD_X)
    assert np.array_equal(data.y, [1, -1])
    assert data.name == name
    assert data.feature_names is None


@pytest.mark.parametrize(
    ("suffix", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)]
)
def test_compressed(write, suffix, pack):
    assert np.array_equal(dense(load_data(write("a.svm" + suffix, pack(GOOD.encode())))), GOOD_X)
    assert np.array_equal(load_data(write("a.csv" + suffix, pack(b"x,y\n1,2\n3,4\n"))).y, [2, 4])
    assert fault(write("bad.svm" + suffix, pack(b"1 1:2\n-1 1:oops\n"))).line == 2
    assert "cannot be read" in str(fault(write("cut.svm" + suffix, pack(GOOD.encode())[:-12])))
    assert "cannot be read" in str(fault(write("cut.csv" + suffix, pack(b"1,2\n3,4\n")[:-12])))
    assert "cannot be read" in str(fault(write("not.svm" + suffix, b"1 1:2\n")))


def test_libsvm_from_zero_and_from_one(write):
    assert np.array_equal(dense(load_data(write("zero.svm", "1 0:3\n2 1:1\n"))), [[3, 0], [0, 1]])
    assert np.array_equal(dense(load_data(write("one.svm", "1 1:3\n2 2:1\n"))), [[3, 0], [0, 1]])


@pytest.mark.parametrize("labels", [(0, 1), (1, 2), (-1, 1), (-3.5, 40)])
def test_any_two_labels(write, labels):
    data = load_data(write("a.svm", f"{labels[1]} 1:1\n{labels[0]} 1:2\n{labels[1]} 1:3\n"))
    assert np.array_equal(data.y, [labels[1], labels[0], labels[1]])
    assert np.array_equal(data.signs, [1, -1, 1])


def test_one_label_is_read_and_refused_as_signs(write):
    data = load_data(write("one.svm", "1 1:1\n1 1:2\n"))
    with pytest.raises(DataError, match=r"one.svm: y holds 1 distinct label \(1\)"):
        _ = data.signs


def test_sparse_below_a_quarter(write):
    sparse = load_data(write("sparse.svm", "1 1:1 9:0\n-1 10:1\n"))
    assert isinstance(sparse.X, scipy.sparse.csr_array)
    assert sparse.X.nnz == 2
    assert sparse.X.shape == (2, 10)
    assert isinstance(load_data(write("dense.svm", "1 1:1\n-1 4:1\n")).X, np.ndarray)
    assert "10.0% nonzero" in repr(sparse)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ("foo 1:2", "label 'foo' is not a number"),
        ("1,0 1:2", "label '1,0' is not a number"),
        ("nan 1:2", "label is nan"),
        ("inf 1:2", "label is inf"),
        ("1 1:nan", "value of '1:nan' is not"),
        ("1 1:-inf", "value of '1:-inf' is not"),
        ("1 1:1e400", "value of '1:1e400' is not"),
        ("1 1:abc", "'1:abc' is not index:value"),
        ("1 5", "'5' is not index:value"),
        ("1 1:", "'1:' is not index:value"),
        ("1 1: 3", "'1:' is not index:value"),
        ("1 1:2:3", "'1:2:3' is not index:value"),
        ("1 +-3:2", "'+-3:2' is not index:value"),
        (f"1 {'9' * 5000}:2", "is not index:value"),
        ("1 a:2", "'a:2' is not index:value"),
        ("1 1.5:2", "'1.5:2' is not index:value"),
        ("1 1:1 tail", "'tail' is not index:value"),
        ("1 -1:2", "index of '-1:2' is outside"),
        ("1 99999999999:2", "index of '99999999999:2' is outside"),
        ("1 2:1 1:1", "index 1 follows 2; ascending"),
        ("1 2:1 2:1", "index 2 follows 2; ascending"),
        ("1 1:\xff", "is not index:value"),
        ("x" * 1000, "xxx...'"),
    ],
)
def test_libsvm_faults_name_the_line(write, bad, says):
    error = fault(write("bad.svm", f"1 1:1\n# note\n\n-1 2:1\n{bad}\n1 1:1\n".encode("latin-1")))
    assert error.line == 5
    assert says in error.message
    assert len(error.message) < 150


@pytest.mark.parametrize("content", ["", "\n\n", "# only a comment\n"])
def test_empty_files(write, content):
    assert "holds no sample" in str(fault(write("a.svm", content)))
    assert "holds no sample" in str(fault(write("a.csv", content)))


def test_labels_without_features(write):
    assert "no line has a feature" in str(fault(write("a.svm", "1\n2\n")))


# CSV


def test_csv_with_and_without_header(write):
    plain = load_data(write("a.csv", "1,2,0\n3,4,1\n"))
    named = load_data(write("b.csv", "# made by hand\n\n height , width,class\n1,2,0\n\n3,4,1 # note\n"))
    assert np.array_equal(plain.X, [[1, 2], [3, 4]])
    assert np.array_equal(plain.y, [0, 1])
    assert np.array_equal(named.X, plain.X)
    assert np.array_equal(named.y, plain.y)
    assert plain.feature_names is None
    assert named.feature_names == ("height", "width")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_separators_quotes_and_byte_order_mark(write, separator):
    content = f'\ufeff"a"{separator}"b"\r\n1{separator}2\r\n"3"{separator}"4"\r\n'
    data = load_data(write("a.csv", content))
    assert np.array_equal(data.X, [[1], [3]])
    assert np.array_equal(data.y, [2, 4])
    assert data.feature_names == ("a",)


@pytest.mark.parametrize("label", ["b", 1, -2])
def test_csv_label_by_name_and_position(write, label):
    data = load_data(write("a.csv", "a,b,c\n1,2,3\n4,5,6\n"), label=label)
    assert np.array_equal(data.y, [2, 5])
    assert np.array_equal(data.X, [[1, 3], [4, 6]])
    assert data.feature_names == ("a", "c")


def test_csv_numbered_columns_with_a_named_label(write):
    path = write("a.csv", "0,1,target\n5,6,1\n7,8,0\n")
    assert np.array_equal(load_data(path, label="target").y, [1, 0])
    error = fault(path)
    assert error.line == 1
    assert "'target'" in error.message


def test_csv_text_labels_are_classes_in_alphabetical_order(write):
    data = load_data(write("a.csv", "1,M\n2,B\n3,M\n"))
    assert np.array_equal(data.y, [1, 0, 1])
    assert np.array_equal(data.signs, [1, -1, 1])


def test_csv_missing_text_label_is_a_fault(write):
    error = fault(write("a.csv", "1,M\n2,B\n3,\n"))
    assert error.line == 3
    assert "the label, is empty" in error.message


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ("1,2", "has 2 cells, and 3"),
        ("1,2,3,4", "has 4 cells, and 3"),
        ("1,,0", "column 1 (b) holds ''"),
        ("1,x,0", "column 1 (b) holds 'x'"),
        ("nan,1,0", "column 0 (a) holds 'nan'"),
        ("1,-inf,0", "column 1 (b) holds '-inf'"),
        ("1,2,l", "column 2 (y) holds 'l'"),
        ("1,2,", "column 2, the label, is empty"),
        ("1,2,nan", "column 2 (y) holds 'nan'"),
        ("1,\xff,0", "column 1 (b) holds"),
    ],
)
def test_csv_faults_name_the_line(write, bad, says):
    error = fault(write("a.csv", f"a,b,y\n1,2,0\n\n# note\n{bad}\n3,4,1\n".encode("latin-1")))
    assert error.line == 5
    assert says in error.message


def test_csv_faults_of_the_whole_file(write):
    path = write("a.csv", "height,width,class\n1,2,0\n")
    assert "did you mean 'class'?" in str(fault(path, label="clas"))
    assert "0 to 2" in str(fault(path, label=3))
    assert "0 to 2" in str(fault(path, label=-4))
    assert "below the header" in str(fault(write("b.csv", "a,b\n")))
    assert "one column" in str(fault(write("c.csv", "1\n2\n")))
    assert fault(write("d.csv", f"1,2\n3,{'9' * 200_000}\n")).line == 2


# npz


def test_npz_dense_and_sparse(tmp_path):
    rng = np.random.default_rng(0)
    X = scipy.sparse.csr_array(rng.standard_normal((20, 30)) * (rng.random((20, 30)) < 0.1))
    y = np.arange(20)
    np.savez(tmp_path / "dense.npz", X=X.toarray(), y=y)
    parts = {"data": X.data, "indices": X.indices, "indptr": X.indptr, "shape": X.shape}
    np.savez(tmp_path / "parts.npz", **parts, y=y)
    C = X.tocsc()
    columns = {"data": C.data, "indices": C.indices, "indptr": C.indptr, "shape": C.shape}
    np.savez(tmp_path / "csc.npz", **columns, format=np.array(b"csc"), y=y)
    for name in ("dense", "parts", "csc"):
        data = load_data(tmp_path / f"{name}.npz")
        assert np.array_equal(dense(data), X.toarray())
        assert np.array_equal(data.y, y)
        assert scipy.sparse.issparse(data.X) == (name != "dense")


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"y": [1]}, "it holds y; X and y"),
        ({"X": [[1.0]]}, "it holds X; X and y"),
        ({}, "it holds nothing"),
        ({"X": [[1.0], [np.nan]], "y": [0, 1]}, "row 1 of X is not finite"),
        ({"X": [[1.0], [2.0]], "y": [0, np.inf]}, "row 1 of y is not finite"),
        ({"X": [[1.0]], "y": [0, 1]}, "X is (1, 1) and y is (2,)"),
        ({"X": [1.0, 2.0], "y": [0, 1]}, "X is (2,)"),
        ({"X": np.zeros((0, 3)), "y": np.zeros(0)}, "not empty"),
        ({"X": [["a"]], "y": [0]}, "real numbers"),
        ({"X": [[1j]], "y": [0]}, "real numbers"),
        ({"X": np.array([[None]]), "y": [0]}, "no npz archive of plain arrays"),
        ({"data": [1.0], "indices": [7], "indptr": [0, 1], "shape": [1, 2], "y": [0]}, "do not fit together"),
        (
            {"data": [np.nan], "indices": [1], "indptr": [0, 0, 1], "shape": [2, 9], "y": [0, 1]},
            "row 1 of X is",
        ),
        (
            {"data": [1.0], "indices": [0], "indptr": [0, 1], "shape": [1, 1], "y": [0], "format": "coo"},
            "'coo'; csr or csc",
        ),
    ],
)
def test_npz_faults(tmp_path, arrays, says):
    path = tmp_path / "a.npz"
    np.savez(path, **arrays)
    with pytest.raises(DataError) as caught:
        load_data(path)
    assert "a.npz: " in str(caught.value)
    assert says in str(caught.value)


def test_npz_that_is_none(write):
    assert "no npz archive" in str(fault(write("a.npz", "1 1:2\n")))
    np.save(path := write("b.npz", ""), np.ones(3))
    path.with_suffix(".npz.npy").replace(path)
    assert "no npz archive" in str(fault(path))


def test_label_is_for_csv_only(write):
    assert "only CSV" in str(fault(write("a.svm", GOOD), label=0))
    assert "only CSV" in str(fault("iris", label="y"))


# Datasets


def test_standardized_drops_constant_columns_and_keeps_names():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 5)) * [1, 1e200, 1e-200, 1, 1] + [0, 0, 0, 1e9, 0]
    X[:, 4] = 0.1
    data = Dataset(X, np.arange(50), "made", tuple("abcde"))
    for intercept in (False, True):
        Z = data.standardized(intercept=intercept)
        assert Z.feature_names == tuple("abcd") + ("intercept",) * intercept
        assert np.abs(Z.X[:, :4].mean(axis=0)).max() < 1e-14
        assert np.abs(Z.X[:, :4].std(axis=0) - 1).max() < 1e-14
        assert not intercept or np.array_equal(Z.X[:, 4], np.ones(50))
    assert np.array_equal(data.X, X)
    sparse = Dataset(scipy.sparse.csr_array(X), data.y, "made")
    assert np.array_equal(sparse.standardized().X, data.standardized().X)


def test_standardized_refuses_constant_data():
    with pytest.raises(DataError, match="made: every column of X is constant"):
        Dataset(np.ones((3, 2)), np.arange(3), "made").standardized()


@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_array])
def test_normalized_rows(form):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((4, 6)) * np.array([[1], [1e200], [1e-200], [0]])
    data = Dataset(form(X), np.arange(4), "made")
    unit = data.normalized()
    assert type(unit.X) is type(data.X)
    assert np.abs(np.linalg.norm(dense(unit), axis=1) - [1, 1, 1, 0]).max() < 1e-14
    assert np.array_equal(dense(data), X)


def test_feature_names_must_fit():
    with pytest.raises(DataError, match="3 feature names for the 2 columns"):
        Dataset(np.ones((3, 2)), np.arange(3), "made", tuple("abc"))


@pytest.mark.parametrize(
    ("name", "shape", "positive"),
    [("a9a", (32561, 123), 0.24), ("w8a", (49749, 300), 0.03), ("german_scale", (1000, 24), 0.3)],
)
def test_real_files(name, shape, positive):
    path = SHARED / f"{name}.svm.gz"
    if not path.exists():
        pytest.skip(f"{path.name} is not in ../shared/data beside the repository")
    data = load_data(path)
    assert data.X.shape == shape
    assert abs((data.signs > 0).mean() - positive) < 0.01
    assert scipy.sparse.issparse(data.X) == (name != "german_scale")
