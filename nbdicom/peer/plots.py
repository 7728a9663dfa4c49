"""Plots of answers, one call each; they return the Axes, so that everything can be changed afterwards."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pandas as pd

from nbdicom.errors import QueryError
from nbdicom.table import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Plots", "latency"]

_SLICES = 12  #: bars of the modality mix; the rest is one bar
_DATES = ("StudyDate", "SeriesDate", "ContentDate", "ScheduledProcedureStepStartDate")
_SIZES = (
    "NumberOfSeriesRelatedInstances",
    "NumberOfStudyRelatedInstances",
    "NumberOfPatientRelatedInstances",
    "NumberOfFrames",
)


class Plots:
    """Plots of one table of answers: ``df.dicom.plot``.

    Examples
    --------
    >>> df.dicom.plot.modalities()  # doctest: +SKIP
    >>> df.dicom.plot.over_time(freq="YS")  # doctest: +SKIP
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    def __repr__(self) -> str:
        return "plots of this table: .modalities() .over_time() .sizes()"

    def modalities(self, *, ax: Axes | None = None) -> Axes:
        """How many rows there are of each modality; a study of several counts for each.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; by default a new figure.

        Raises
        ------
        QueryError
            If the table has neither ModalitiesInStudy nor Modality.
        """
        name = self._column("ModalitiesInStudy", "Modality")
        values = self._frame[name].map(
            lambda value: list(value) if not isinstance(value, str) else [value], na_action="ignore"
        )
        counts = values.explode().dropna().replace("", pd.NA).dropna().value_counts()
        if len(counts) > _SLICES:
            rest = counts.iloc[_SLICES - 1 :].sum()
            counts = pd.concat([counts.iloc[: _SLICES - 1], pd.Series({"others": rest})])
        labels = [printable(label) for label in counts.index]
        ax = ax or _axes(height=0.3 * max(3, len(counts)) + 1)
        bars = ax.barh(range(len(counts)), counts.to_numpy())
        ax.bar_label(bars, padding=3)
        ax.set_yticks(range(len(counts)), labels)
        ax.invert_yaxis()
        ax.set_xlabel(self._what())
        ax.set_title("Modalities" if len(counts) else "Modalities: none in this table")
        return ax

    def over_time(self, *, freq: str | None = None, ax: Axes | None = None) -> Axes:
        """How many rows there are in each day, month or year.

        Parameters
        ----------
        freq : str, optional
            An offset of pandas: ``"D"``, ``"W"``, ``"MS"``, ``"YS"``; by default one that gives some tens of bars.
        ax : Axes, optional
            Where to draw; by default a new figure.

        Raises
        ------
        QueryError
            If the table has no date.
        """
        name = self._column(*_DATES)
        dates = pd.to_datetime(self._frame[name], errors="coerce").dropna()
        ax = ax or _axes()
        missing = len(self._frame) - len(dates)
        if len(dates):
            days = (dates.max() - dates.min()).days
            freq = freq or ("D" if days <= 45 else "W" if days <= 365 else "MS" if days <= 365 * 6 else "YS")
            counts = dates.groupby(dates).size().resample(freq).sum()
            widths = counts.index.to_series().diff().shift(-1).dt.total_seconds() / 86400
            width = float(widths.median()) if len(counts) > 1 else 1.0
            ax.bar(counts.index.to_numpy(), counts.to_numpy(), width=0.9 * width, align="edge")
            ax.figure.autofmt_xdate()
        ax.set_ylabel(self._what())
        ax.locator_params(axis="y", integer=True)  # nobody has half a study
        ax.set_title(f"{name}" + (f" ({missing} without a date)" if missing else ""))
        return ax

    def sizes(self, *, bins: int = 30, ax: Axes | None = None) -> Axes:
        """How large the series (studies, patients) are, in instances.

        Parameters
        ----------
        bins : int
            How many bars.
        ax : Axes, optional
            Where to draw; by default a new figure.

        Raises
        ------
        QueryError
            If the table does not say: not every peer counts.
        """
        name = self._column(*_SIZES)
        values = pd.to_numeric(self._frame[name], errors="coerce").dropna().astype("float64")
        ax = ax or _axes()
        if len(values):
            ax.hist(
                values, bins=max(1, min(bins, int(values.max() - values.min()) + 1)), edgecolor="white", linewidth=0.5
            )
        unit = "frames" if name == "NumberOfFrames" else "instances"
        ax.set_xlabel(f"{unit} in each")
        ax.set_ylabel(self._what())
        ax.locator_params(axis="y", integer=True)  # nobody has half a study
        missing = len(self._frame) - len(values)
        ax.set_title(name + (f" ({missing} not told)" if missing else ""))
        return ax

    def _what(self) -> str:
        level = str((self._frame.attrs.get("nbdicom") or {}).get("level") or "row").lower()
        return {"study": "studies", "series": "series", "patient": "patients", "image": "instances"}.get(level, "rows")

    def _column(self, *names: str) -> str:
        found = next((name for name in names if name in self._frame.columns and self._frame[name].notna().any()), None)
        if found is None:
            found = next((name for name in names if name in self._frame.columns), None)
        if found is None:
            raise QueryError(f"the table has no column {' or '.join(names[:2])}", hint="ask for it with columns=[...]")
        return found


def latency(reports: Any, *, ax: Axes | None = None) -> Axes:
    """How long the steps of verifications took: name resolution, connection, association, C-ECHO, release.

    Parameters
    ----------
    reports : EchoReport or iterable of EchoReport
        For instance ``[pacs.echo() for _ in range(20)]``.
    ax : Axes, optional
        Where to draw; by default a new figure.

    Raises
    ------
    QueryError
        If there is none.
    """
    several = [reports] if hasattr(reports, "steps") else list(reports) if isinstance(reports, Iterable) else []
    times: dict[str, list[float]] = {}
    for report in several:
        for step in report.steps:
            if step.ms is not None:
                times.setdefault(step.name.split(" ")[0] if step.name.startswith("resolve") else step.name, []).append(
                    step.ms
                )
    if not times:
        raise QueryError("there is no report to plot", hint="plot_latency([pacs.echo() for _ in range(20)])")
    ax = ax or _axes(height=0.45 * len(times) + 1.2)
    for place, values in enumerate(times.values()):
        ax.scatter(values, [place] * len(values), s=14, alpha=0.6)
    middles = {name: float(pd.Series(values).median()) for name, values in times.items()}
    ax.set_yticks(range(len(times)), [f"{printable(name)}\nmedian {middles[name]:.2g} ms" for name in times])
    ax.invert_yaxis()
    ax.set_xscale("log")
    ax.set_xlabel("milliseconds")
    addresses = {report.address for report in several}
    ax.set_title(f"{len(several)} verifications of {printable(', '.join(sorted(addresses)))}")
    return ax


def _axes(height: float = 3.2) -> Axes:
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(6.5, height), layout="constrained")[1]
