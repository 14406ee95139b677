import pytest

from training import recipe
from training.errors import RecipeError


@pytest.mark.parametrize("name", sorted(file.stem for file in recipe.FOLDER.glob("*.toml")))
def test_every_recipe_loads(name):
    assert recipe.load(name).epochs >= 1


def test_only_the_reports_recipes_have_its_mistake():
    wrong = [file.stem for file in recipe.FOLDER.glob("*.toml") if recipe.load(file.stem).softmax_before_loss]
    assert all("report" in name for name in wrong)
    assert {"report-base", "report-dropout"} <= set(wrong)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('network = "base"\nepochs = 1\nbatchsize = 3', "unknown key 'batchsize'; did you mean 'batch_size'"),
        ('network = "base"\nepochs = 1\nepoch = 3', "unknown key 'epoch'; did you mean 'epochs'"),
        ('network = "base"\nepochs = 1\n[optimizer]\nlearningrate = 3', "'optimizer.learningrate'; did you mean 'optimizer.learning_rate'"),
        ('network = "base"\nepochs = 1\n[resolution]\nxyz = 3', "unknown key 'resolution.xyz'; there are side, share"),
        ('network = "base"\nepochs = 0', "epochs = 0: .*greater than or equal to 1"),
        ('network = "base"\nepochs = 1\n[optimizer]\nlearning_rate = "fast"', "optimizer.learning_rate = 'fast'"),
        ('network = "vgg"\nepochs = 1', "network = 'vgg': there are base, dropout"),
        ('network = "base"\nepochs = 1\n[augment]\nscale = [1.2, 0.8]', "augment.scale = .*the smaller first"),
        ('network = "base"\nepochs = 1\n[field]\nwide_scale = [0, 1]', r"field.wide_scale = \(0.0, 1.0\): two positive"),
        ('network = "base"\nepochs = 1\n[field]\nothers = 0.6\nphotos = 0.5', "at most 1 together"),
        ('network = "base"\nepochs = 1\n[camera]\njpeg_quality = [50, 101]', "at most 100"),
        ('network = "base"\nepochs = 1\nfrozen = 0.5', "frozen and fixed_norms keep what a start has learnt; name one"),
        ('network = "base"', "the key 'epochs' is missing"),
        ("network = base", "cannot be read as a recipe"),
        ('network = "base"\nepochs = 1\nschedule = 3\naugment = 4', "schedule = 3: .*; augment = 4: "),
    ],
)
def test_a_wrong_recipe_names_key_and_value(tmp_path, text, message):
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(RecipeError, match=message):
        recipe.load(str(file))


@pytest.mark.parametrize(("old", "new"), [("own-species", "own"), ("ground", "background")])
def test_a_name_of_before_works_and_says_the_new_one(old, new, capsys):
    assert recipe.load(old) == recipe.load(new)
    assert capsys.readouterr().err.startswith(f"the recipe {old} is called {new} now;")
    assert recipe.name_of_now(old) == new
    assert recipe.name_of_now("mine.toml") == "mine.toml"


def test_an_unknown_name_lists_the_known():
    with pytest.raises(RecipeError, match=r"no recipe 'sedlings'; there are .*seedlings, .*smoke"):
        recipe.load("sedlings")


def test_a_change_is_checked_too():
    assert recipe.load("smoke", seed=7).seed == 7
    with pytest.raises(RecipeError, match="seed = -1"):
        recipe.load("smoke", seed=-1)


def test_field_and_camera_are_off_unless_a_recipe_asks():
    assert recipe.load("seedlings").field.share == 0
    assert recipe.load("seedlings").camera.share == 0
    assert recipe.load("field").field.share > 0
