"""Names of an earlier release."""

from training import old_names


def test_the_new_name_is_said(capsys):
    old_names.say_new_name("--views", "--tta")
    assert capsys.readouterr().err == "--views is called --tta now; the old name will not work in the next release\n"


def test_old_keys_of_a_file_are_read_under_their_new_names():
    assert old_names.renamed({"views": 1, "n": 2}, {"views": "tta"}) == {"tta": 1, "n": 2}
    assert old_names.renamed({"tta": 1}, {"views": "tta"}) == {"tta": 1}
    assert old_names.renamed("no document", {"views": "tta"}) == "no document"
