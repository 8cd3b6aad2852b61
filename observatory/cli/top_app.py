"""The screen of `observatory top`. The only module that imports Textual, whose import takes a fifth of a second."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import DataTable, Static

from observatory.cli.bars import stdout_draws_blocks
from observatory.cli.problems import Problem
from observatory.cli.top_observed import Observed
from observatory.cli.top_tables import Books, Row, View
from observatory.cli.top_views import STARTS, ModelsView
from observatory.cli.top_words import head

DRAW_EVERY_S = 0.5
LOAD_EVERY_S = 2.0
NARROW = 80

HELP = """\
Above: what happens now, second by second, and how far the pipeline is.
Rates are over the last ten seconds; the line shows the last minute.
Below: one table.

  m  models       t  tenants      c  calls of all, last 15 minutes
  b  budgets      a  alerts       l  lag, dead letters, work under way

  up, down        choose a row
  enter           open it: tenant - its models - their calls - one call
  escape          back
  s               another order
  p               pause, and go on
  ?               this help
  q               quit

~ marks costs that are estimated. Money is rounded here and nowhere else:
`observatory costs` has all digits. What stands after ! is wrong right now."""


KEYS = "m t c b a l tables   enter open   esc back   s order   p pause   ? help   q quit"


class Help(ModalScreen[None]):
    """What the keys do."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,q,enter", "dismiss", show=False)]

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help"):
            yield Static(HELP, markup=False)


class Top(App[None]):
    """A head that always stands, and one table over whose rows one goes down and comes back."""

    CSS = """
    Screen { layout: vertical; overflow: hidden; }
    #head { height: 6; text-wrap: nowrap; text-overflow: ellipsis; }
    #title { height: 1; text-style: bold; text-wrap: nowrap; text-overflow: ellipsis; }
    #keys { height: 1; dock: bottom; text-wrap: nowrap; text-overflow: ellipsis; }
    DataTable { height: 1fr; scrollbar-size-vertical: 1; }
    DataTable > .datatable--cursor { text-style: reverse bold; background: $background; color: $foreground; }
    DataTable > .datatable--header { text-style: underline; background: $background; color: $foreground; }
    Help { align: center middle; }
    #help { width: 78; height: auto; max-height: 100%; border: solid $foreground; padding: 0 1; }
    """
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(key, f"show('{key}')", name) for key, (name, _) in STARTS.items()),
        Binding("enter", "open", "open", priority=True),
        Binding("escape,backspace", "leave", "back"),
        Binding("s", "order", "order"),
        Binding("p", "pause", "pause"),
        Binding("question_mark", "help", "help"),
        Binding("q,ctrl+c", "quit", "quit", priority=True),
    ]

    def __init__(self, observed: Observed, books: Books) -> None:
        super().__init__(ansi_color=True)  # the terminal's own colours, whichever they are
        self.theme = "ansi-dark"
        self._observed, self._books = observed, books
        self._views: list[View] = [ModelsView()]
        self._blocks = stdout_draws_blocks()
        self._paused = False
        self._problem = ""
        self._shown: Sequence[Row] = []

    def compose(self) -> ComposeResult:
        yield Static(id="head", markup=False)
        yield Static(id="title", markup=False)
        yield DataTable[Text](cursor_type="row", cell_padding=0)
        yield Static(KEYS, id="keys", markup=False)

    def on_mount(self) -> None:
        self.query_one(DataTable).focus()
        self._begin_view()
        self.set_interval(DRAW_EVERY_S, self._draw)
        self.set_interval(LOAD_EVERY_S, self._load_again)

    @property
    def view(self) -> View:
        """The table that is shown."""
        return self._views[-1]

    def action_show(self, key: str) -> None:
        """Begins anew at one of the first tables."""
        self._views = [STARTS[key][1]()]
        self._begin_view()

    def action_open(self) -> None:
        """Goes down into the row under the cursor."""
        if isinstance(self.screen, Help):
            self.screen.dismiss()
            return
        key = self._key_at_cursor()
        opened = None if key is None else self.view.open(key, self._observed)
        if opened is not None:
            self._views.append(opened)
            self._begin_view()

    def action_leave(self) -> None:
        """Comes back to the table before."""
        if len(self._views) > 1:
            self._views.pop()
            self._begin_view()

    def action_order(self) -> None:
        """The next order of this table."""
        orders = self.view.orders
        self.view.order = orders[(orders.index(self.view.order) + 1) % len(orders)]
        self._load_again()
        self._draw(now=True)

    def action_pause(self) -> None:
        """Holds what is shown, or goes on."""
        self._paused = not self._paused
        self._draw(now=True)

    def action_help(self) -> None:
        """Tells what the keys do."""
        self.push_screen(Help())

    def _begin_view(self) -> None:
        table = self.query_one(DataTable)
        table.clear(columns=True)
        for number, column in enumerate(self.view.columns):
            table.add_column(self._text(number, column), key=column)
        self._shown = []
        self._problem = ""
        self._load_again()
        self._draw(now=True)

    def _load_again(self) -> None:
        if not self._paused:
            self.run_worker(self._load(self.view), exclusive=True)

    async def _load(self, view: View) -> None:
        try:
            await view.load(self._books)
            self._problem = ""
        except Problem as problem:
            self._problem = f"  ! {problem}"
        if view is self.view:
            self._draw()

    def _draw(self, *, now: bool = False) -> None:
        if self._paused and not now:
            return
        lines = head(self._observed, datetime.now(UTC), blocks=self._blocks)
        self.query_one("#head", Static).update("\n".join(lines))
        order = f"  by {self.view.order}" if len(self.view.orders) > 1 else ""
        paused = "  (paused: p)" if self._paused else ""
        self.query_one("#title", Static).update(f"{self.view.title}{order}{paused}{self._problem}")
        self._fill(self.view.rows(self._observed, max(0, self.size.width - NARROW)))

    def _fill(self, rows: Sequence[Row]) -> None:
        """Where the rows are the same ones only cells change, so that the cursor stays and little is sent."""
        table = self.query_one(DataTable)
        if [key for key, _ in rows] == [key for key, _ in self._shown]:
            for (key, cells), (_, before) in zip(rows, self._shown, strict=True):
                for number, (column, text) in enumerate(zip(self.view.columns, cells, strict=True)):
                    if text != before[number]:
                        table.update_cell(key, column, self._text(number, text), update_width=True)
        else:
            chosen = self._key_at_cursor()
            table.clear()
            for key, cells in rows:
                table.add_row(*(self._text(number, text) for number, text in enumerate(cells)), key=key)
            keys = [key for key, _ in rows]
            if chosen in keys:
                table.move_cursor(row=keys.index(chosen))
        self._shown = rows

    def _text(self, number: int, text: str) -> Text:
        """A cell: texts end with a space, numbers begin with one, so that columns stay apart."""
        return Text(f"{text} ") if number < self.view.left else Text(f" {text}", justify="right")

    def _key_at_cursor(self) -> str | None:
        table = self.query_one(DataTable)
        if not table.row_count:
            return None
        return table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value
