"""Pipelines: the stages that deals go through."""

from collections import defaultdict
from collections.abc import Sequence

from mailcrm.core.errors import AlreadyExists, NotFound, UsageError
from mailcrm.core.model import Pipeline, Stage
from mailcrm.store import records
from mailcrm.store.database import Database

_MOVE = "Move its deals first: mailcrm deal edit DEAL --stage STAGE"
_MOVE_AWAY = "Move its deals first: mailcrm deal edit DEAL --pipeline PIPELINE --stage STAGE"


def pipelines(db: Database) -> list[Pipeline]:
    """Return all pipelines, the first one first, with their stages in order."""
    stages: dict[int, list[Stage]] = defaultdict(list)
    for row in db.read("stages"):
        stages[row["pipeline_id"]].append(Stage(id=row["id"], name=row["name"]))
    return [
        Pipeline(id=row["id"], name=row["name"], stages=tuple(stages[row["id"]]))
        for row in db.read("pipelines")
    ]


def pipeline(db: Database, text: str) -> Pipeline:
    """Return the pipeline with this number, name or its beginning; raises NotFound or NeedsChoice."""
    known = pipelines(db)
    ids = [one.id for one in known if str(one.id) == text.strip()] or records.named(
        [{"id": one.id, "name": one.name} for one in known], text
    )
    found = [one for one in known if one.id in ids]
    return records.only(found, "pipeline", text, lambda one: (one.id, one.name))


def stage(known: Pipeline, text: str) -> Stage:
    """Return the stage with this number, name or its beginning; raises UsageError or NeedsChoice."""
    ids = [one.id for one in known.stages if str(one.id) == text.strip()] or records.named(
        [{"id": one.id, "name": one.name} for one in known.stages], text
    )
    found = [one for one in known.stages if one.id in ids]
    if not found:
        raise UsageError(
            f"Pipeline {known.name} has no stage {text!r}.",
            hint=f"It has: {', '.join(one.name for one in known.stages)}",
        )
    return records.only(found, "stage", text, lambda one: (one.id, one.name))


def stages_called(known: Sequence[Pipeline], text: str) -> list[Stage]:
    """Return the stage with this number, or those with this name or its beginning: one in each pipeline.

    Raises NotFound, or NeedsChoice when different names begin so.
    """
    steps = [step for one in known for step in one.stages]
    ids = [step.id for step in steps if str(step.id) == text.strip()] or records.named(
        [{"id": step.id, "name": step.name} for step in steps], text
    )
    found = [step for step in steps if step.id in ids]
    if not found:
        raise NotFound(f"There is no stage {text!r}.", hint="See `mailcrm pipeline list`.")
    if len({step.name.casefold() for step in found}) > 1:
        records.only(found, "stage", text, lambda step: (step.id, step.name))
    return found


def create_pipeline(db: Database, *, name: str, stages: Sequence[str]) -> Pipeline:
    """Add a pipeline with its stages in order; raises AlreadyExists, or UsageError without a stage."""
    called = records.name(name, "pipeline")
    steps = [records.name(text, "stage") for text in stages]
    if not steps:
        raise UsageError("A pipeline has at least one stage.", hint="Add: --stage NAME")
    if len({step.casefold() for step in steps}) < len(steps):
        raise UsageError(
            "The stages of a pipeline have different names.", hint="Give each --stage another name."
        )
    with db.transaction():
        _require_free(db, called)
        pipeline_id = db.insert("create_pipeline", name=called)
        for position, step in enumerate(steps, start=1):
            db.write("create_stage", pipeline_id=pipeline_id, name=step, position=position)
    return pipeline(db, str(pipeline_id))


def rename_pipeline(db: Database, known: Pipeline, name: str) -> Pipeline:
    """Call a pipeline otherwise; raises AlreadyExists."""
    called = records.name(name, "pipeline")
    with db.transaction():
        _require_free(db, called, known)
        db.write("rename_pipeline", id=known.id, name=called)
    return pipeline(db, str(known.id))


def delete_pipeline(db: Database, known: Pipeline) -> None:
    """Remove a pipeline without deals; raises UsageError for one with deals, and for the last one."""
    with db.transaction():
        require_deletable(db, known)
        db.write("delete_pipeline", id=known.id)


def require_deletable(db: Database, known: Pipeline) -> None:
    """Raise UsageError for a pipeline with deals, and for the last one."""
    if len(pipelines(db)) == 1:
        raise UsageError(
            "The last pipeline stays: every deal is in one.",
            hint="Make another one first: mailcrm pipeline create NAME --stage STAGE",
        )
    _require_empty(db, f"Pipeline {known.name}", known.stages, _MOVE_AWAY)


def add_stage(db: Database, known: Pipeline, name: str, *, before: Stage | None = None) -> Pipeline:
    """Add a stage `before` another one, or at the end of a pipeline; raises AlreadyExists."""
    called = records.name(name, "stage")
    with db.transaction():
        _require_free_stage(known, called)
        if before is not None:
            db.write("make_room", stage_id=before.id)
        db.write("add_stage", pipeline_id=known.id, name=called, before_id=before.id if before else None)
    return pipeline(db, str(known.id))


def rename_stage(db: Database, known: Pipeline, step: Stage, name: str) -> Pipeline:
    """Call a stage otherwise; raises AlreadyExists."""
    called = records.name(name, "stage")
    with db.transaction():
        _require_free_stage(known, called, step)
        db.write("rename_stage", id=step.id, name=called)
    return pipeline(db, str(known.id))


def remove_stage(db: Database, known: Pipeline, step: Stage) -> Pipeline:
    """Remove a stage without deals; raises UsageError for one with deals, and for the last one."""
    with db.transaction():
        if len(known.stages) == 1:
            raise UsageError(
                f"{step.name} is the last stage of pipeline {known.name}.",
                hint="Add another stage first, or delete the pipeline.",
            )
        _require_empty(db, f"Stage {step.name}", [step], _MOVE)
        db.write("remove_stage", id=step.id)
    return pipeline(db, str(known.id))


def _require_free(db: Database, name: str, but: Pipeline | None = None) -> None:
    for one in pipelines(db):
        if one.name.casefold() == name.casefold() and one != but:
            raise AlreadyExists(f"There is a pipeline {one.name} already.")


def _require_free_stage(known: Pipeline, name: str, but: Stage | None = None) -> None:
    for one in known.stages:
        if one.name.casefold() == name.casefold() and one != but:
            raise AlreadyExists(f"Pipeline {known.name} has a stage {one.name} already.")


def _require_empty(db: Database, what: str, steps: Sequence[Stage], hint: str) -> None:
    (row,) = db.read("deals_in_stages", ids=[step.id for step in steps])
    if row["count"]:
        deals = "a deal" if row["count"] == 1 else f"{row['count']:,} deals"
        raise UsageError(f"{what} has {deals}, so it stays.", hint=hint)
