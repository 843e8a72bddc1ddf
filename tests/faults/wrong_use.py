"""Calls that no command should take, in words after `featgeom`, with what the refusal should name.

{run}: a run; {arrays}: an .npz file of it; {empty}: an empty folder; {foreign}: a folder of something else;
{file}: a text file; {out}: a path where nothing is.
"""

COUNTS = ("0", "-1", "-9999999999", "1000000000000000000000000000000", "1.5", "two", "nan", "")
SEEDS = ("-1", "4294967296", "1e3", "x", "")
STUDY_COUNTS = (
    ("invert", "--samples"), ("flips", "--samples"), ("morph", "--alike"), ("morph", "--morphs"),
    ("morph", "--steps"), ("planes", "--planes"), ("compare", "--train-samples"),
    ("compare", "--test-samples"),
    ("compare", "--flip-samples"), ("retrain", "--steps"), ("check", "--samples"),
)  # fmt: skip
RUN_COMMANDS = (
    "overview", "hulls", "regions", "boundaries", "svm", "collapse", "retrain", "maps", "invert", "flips",
    "morph", "planes", "compare", "observations", "view", "report", "verify", "check",
    "guard", "suspects", "export", "networks",
)  # fmt: skip
PLACES = ("{empty}", "{foreign}", "{file}", "{out}")


def calls():
    """Every call as (words, a word of the refusal)."""
    for command, option in STUDY_COUNTS:
        for count in COUNTS:
            yield [command, "{run}", f"{option}={count}"], option
    for command in RUN_COMMANDS:
        for place in PLACES:
            yield [command, place], place
        yield [command, "{run}", "--nonsense"], "--nonsense"
        yield [command], "RUN"
    for count in ("0", "-1", "-9999999999", "1000000000000000000000000000000", "1.5", "two"):
        for option in ("--steps", "--per-decade"):
            yield ["train", "digits", f"{option}={count}", "-o", "{out}"], option
    for rate in ("0", "-1", "nan", "inf", "1e300", "x"):
        yield ["train", "digits", f"--rate={rate}", "-o", "{out}"], "rate"
    for network in (
        "features=0",
        "features=-1",
        "features=99999999999",
        "features",
        "colour=3",
        "=",
        "features=x",
    ):
        yield ["train", "digits", f"--network={network}", "-o", "{out}"], ""
    for words in (["--batch=-1"], ["--loss=x"], ["--optimiser=x"], ["--classes=1"], ["--classes=1,1"],
                  ["--classes=a,b"], ["--images=x"], ["--head-of={file}"], ["--device=gpu9"]):  # fmt: skip
        yield ["train", "digits", "--steps=1", *words, "-o", "{out}"], ""
    for seed in SEEDS:
        for words in (["analyze", "{arrays}"], ["extract", "{arrays}"], ["train", "digits"]):
            yield [*words, f"--seed={seed}", "-o", "{out}"], "--seed"
    for option in (
        "--arch=digits_cnn",
        "--split=train",
        "--classes=0,1",
        "--mean=0.5",
        "--std=0.5",
        "--shape=1,2,3",
    ):
        yield ["analyze", "{arrays}", option, "-o", "{out}"], ""
    for place in ("{foreign}", "{file}", "/proc/featgeom", "/dev/null/x"):
        yield ["analyze", "{arrays}", "-o", place], place
        yield ["extract", "digits", "digits", "-o", place], place
        yield ["train", "digits", "-o", place], place
        yield ["trajectory", "digits", "digits", "-o", place], place
    for words in (["--studies=nobody"], ["--studies="], ["--studies=overview,,hulls"], ["--studies=Overview"],
                  ["--device=gpu9"], ["digits"]):  # fmt: skip
        yield ["analyze", "{arrays}", *words, "-o", "{out}"], ""
    for words in (["--html={empty}"], ["--html=/proc/x.html"], ["--png={empty}"], ["--png={out}.xyz"],
                  ["--html={out}", "--projection=up"], ["--html={out}", "--projection={file}.npy"],
                  ["--html={out}", "--classes=nobody"], ["--html={out}", "--split=none"], ["--size=0x0"],
                  ["--size=10"], ["--camera=w"], ["--serve", "--port=-1"], ["--serve", "--port=99999"],
                  ["--png={out}.png", "--projection=pca,lda"]):  # fmt: skip
        yield ["view", "{run}", *words], ""
    for words in (["inspect"], ["inspect", "{out}"], ["inspect", "{empty}"], ["inspect", "{file}"],
                  ["inspect", "digits", "--images=x"], ["inspect", "digits", "--shape=1"],
                  ["inspect", "digits", "--shape=0,8,8"], ["inspect", "digits", "--mean=x"],
                  ["inspect", "digits", "--std=0"], ["inspect", "digits", "--std=-1"],
                  ["inspect", "digits", "--mean=nan"], ["analyse"], ["--nonsense"],
                  ["verify", "{run}", "--max-memory=x"],
                  ["verify", "{run}", "--max-memory=0"], ["report", "{run}", "extra"],
                  ["boundaries", "{run}", "--slice=a"], ["boundaries", "{run}", "--slice=0,1,#99999"],
                  ["boundaries", "{run}", "--slice=0,1,#-1"], ["boundaries", "{run}", "--slice=0,0,0"],
                  ["retrain", "{run}", "--method=x"], ["compare", "{run}", "--other=x"],
                  ["compare", "{run}", "--beside={empty}"], ["observations", "{run}", "--beside={out}"],
                  ["reproduce", "nobody"], ["reproduce", "trap", "-o", "{file}"], ["trajectory", "digits"],
                  ["trajectory", "{out}", "digits"], ["trajectory", "digits", "x"],
                  ["trajectory", "digits", "digits", "--split=none"],
                  ["check", "{run}", "--solver=x"], ["check", "{run}", "--with=x"]):  # fmt: skip
        yield words, ""
    for images in ("digitz", "cifar10", "cifar10:", "cifar10:{out}", "mnist:{empty}", "folder:{empty}",
                   "folder:{out}", "npz:{file}", "npz:{arrays}", "npz:{out}", "synthetic:nobody",
                   "folder:{empty}@0",
                   "folder:{empty}@x", "digits:x"):  # fmt: skip
        yield ["analyze", "digits", images, "-o", "{out}"], ""
    for checkpoint in ("{out}.pth", "{file}", "{empty}", "nobody", "timm:", "hf:", "torchvision:"):
        yield ["analyze", checkpoint, "digits", "-o", "{out}"], ""
