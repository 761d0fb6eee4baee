"""Tables in Markdown."""


def table(title: str, head: list[str], rows: list[list[str]], notes: str = "") -> None:
    """Prints one at once, so that an interrupted run has shown what it has."""
    print(f"\n### {title}\n")
    if notes:
        print(f"{notes}\n")
    for row in [head, ["---"] + ["---:"] * (len(head) - 1), *rows]:
        print("| " + " | ".join(row) + " |")
    print(flush=True)


def number(value: float, digits: int = 0) -> str:
    """With thousands apart, as English writes them."""
    return f"{value:,.{digits}f}"
