"""CSV as spreadsheets of several countries write it, and files that are broken."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailcrm.core.csv_files import BadRow, CsvRow, read_csv, write_csv
from mailcrm.core.errors import UsageError

KOREAN = "이름,이메일,회사\r\n김민수,minsu@example.kr,한빛상사\r\n이서연,seoyeon@example.kr,한빛상사\r\n"
CHINESE = "姓名,邮箱,公司\r\n王伟,wang@example.com,北京贸易有限公司\r\n"
FRENCH = "Nom;Courriel\r\nRenée Lefèvre;renee@example.org\r\n"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (KOREAN, "utf-8"),
        (KOREAN, "utf-8-sig"),
        (KOREAN, "cp949"),
        (KOREAN, "utf-16"),
        (KOREAN.replace(",", "\t"), "utf-16-le"),
        (CHINESE, "gb18030"),
        (FRENCH, "cp1252"),
        (FRENCH, "utf-16-be"),
    ],
)
def test_the_encoding_is_found_out(text: str, encoding: str) -> None:
    lines = [line.replace("\t", ",").replace(";", ",").split(",") for line in text.split("\r\n")]
    file = read_csv(text.encode(encoding))
    assert file.header == tuple(lines[0])
    assert file.rows == tuple(
        CsvRow(line=number, cells=tuple(cells)) for number, cells in enumerate(lines[1:-1], start=2)
    )


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_one_of_the_header(mark: str) -> None:
    file = read_csv(f'Name{mark}Note\nKim{mark}"a, b; c"\n'.encode())
    assert file.header == ("Name", "Note")
    assert file.rows == (CsvRow(line=2, cells=("Kim", "a, b; c")),)


def test_a_delimiter_that_excel_announces_is_taken() -> None:
    file = read_csv("sep=;\r\nName;Value\r\nKim;1,5\r\n".encode("utf-16"))
    assert file.rows == (CsvRow(line=3, cells=("Kim", "1,5")),)


def test_lines_may_end_as_on_any_system_and_stand_inside_quotation_marks() -> None:
    for end in ("\n", "\r\n", "\r"):
        file = read_csv(f'Name,Note{end}Kim,"one{end}two ""quoted"""{end}{end}Lee,x'.encode())
        assert file.rows == (
            CsvRow(line=2, cells=("Kim", 'one\ntwo "quoted"')),
            CsvRow(line=5, cells=("Lee", "x")),
        )


def test_a_row_of_another_width_is_bad_unless_what_is_over_is_empty() -> None:
    file = read_csv(b"Name,E-mail,,\nKim,kim@example.kr,,\nLee\nPark,park@example.kr,more\n")
    assert file.header == ("Name", "E-mail")
    assert file.rows == (
        CsvRow(line=2, cells=("Kim", "kim@example.kr")),
        BadRow(line=3, reason="it has 1 cells, and the header 2"),
        BadRow(line=4, reason="it has 3 cells, and the header 2"),
    )


def test_a_quotation_mark_that_is_never_closed_costs_one_row_not_the_rest() -> None:
    file = read_csv(b'Name,E-mail\nKim,"kim@example.kr\nLee,lee@example.kr\nPark,park@example.kr\n')
    assert file.rows == (
        BadRow(line=2, reason="a quotation mark is opened here and never closed"),
        CsvRow(line=3, cells=("Lee", "lee@example.kr")),
        CsvRow(line=4, cells=("Park", "park@example.kr")),
    )


def test_a_quotation_mark_that_closes_too_late_gives_back_the_rows_it_took() -> None:
    file = read_csv(b'Name,E-mail\nKim,"kim@example.kr\nLee,lee@example.kr\nPark,"park@example.kr"\n')
    assert [type(row) for row in file.rows] == [BadRow, CsvRow, CsvRow]


def test_nul_is_left_out() -> None:
    assert read_csv(b"Name\nK\0im\n").rows == (CsvRow(line=2, cells=("Kim",)),)


@pytest.mark.parametrize(
    "data", [b"", b"PK\x03\x04x", b"\n\n", b'"', b"\xff\xfe", b",,\n1,2,3", b"," * 2_000 + b"x"]
)
def test_a_file_without_a_usable_header_is_refused(data: bytes) -> None:
    with pytest.raises(UsageError):
        read_csv(data)


@settings(max_examples=200)
@given(st.binary(max_size=300) | st.text(alphabet='a,;"\n\r\t\0 é김', max_size=200).map(str.encode))
def test_any_bytes_are_rows_that_are_as_wide_as_the_header_or_bad_or_an_error_for_a_person(
    data: bytes,
) -> None:
    try:
        file = read_csv(b"a,b\n" + data)
    except UsageError:
        return
    lines = [row.line for row in file.rows]
    assert lines == sorted(set(lines))
    assert all(isinstance(row, BadRow) or len(row.cells) == len(file.header) for row in file.rows)


@settings(max_examples=100)
@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), max_size=20))
def test_what_a_csv_writer_wrote_is_read(table: list[tuple[str, str]]) -> None:
    kept = [
        tuple(cell.replace("\0", "").replace("\r", "\n").encode("utf-8", "ignore").decode() for cell in row)
        for row in table
    ]
    out = io.StringIO()
    csv.writer(out).writerows([("Name", "Note"), *kept])
    rows = read_csv(b"\xef\xbb\xbf" + out.getvalue().encode()).rows
    assert [row.cells for row in rows if isinstance(row, CsvRow)] == [
        stripped for row in kept if any(stripped := tuple(cell.strip() for cell in row))
    ]


@pytest.mark.parametrize("line", [b'",""\n', b'"x\n', b'"a"",b\n', b'a,"\n', b'"x",""",\n'])
def test_many_wrong_quotation_marks_cost_no_more_than_the_file(line: bytes) -> None:
    # Quadratic reading would not come to its end.
    assert len(read_csv(b"a,b\n" + line * 100_000).rows) > 100


@settings(max_examples=150)
@given(
    st.lists(
        st.lists(st.text(alphabet="ab'=+-@19 \n,;\"김", max_size=6).map(str.strip), min_size=2, max_size=2),
        max_size=6,
    )
)
def test_what_is_written_holds_no_formula_and_is_read_as_it_was(rows: list[list[str]]) -> None:
    data = write_csv(["Name", "Phone"], rows)
    for row in csv.reader(io.StringIO(data.decode("utf-8-sig"))):
        for cell in row:
            assert not cell.startswith(("=", "@"))
            assert not cell.startswith(("+", "-")) or not any(letter in cell for letter in "ab=@김")
    kept = [list(row.cells) for row in read_csv(data).rows if isinstance(row, CsvRow)]
    assert kept == [row for row in rows if any(row)]
