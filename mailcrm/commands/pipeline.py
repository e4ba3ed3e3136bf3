"""`mailcrm pipeline`: the stages that deals go through."""

from typing import TYPE_CHECKING, Annotated

import typer

from mailcrm.commands import record
from mailcrm.commands.invocation import Invocation

if TYPE_CHECKING:
    from mailcrm.core.model import Pipeline

_app = typer.Typer(help="Pipelines and their stages.", no_args_is_help=True)

_Pipeline = Annotated[str, typer.Argument(help="number or name")]
_Stage = Annotated[str, typer.Argument(help="number or name of a stage")]
_NewName = Annotated[str, typer.Argument(metavar="NAME", help="what it is called")]


def add_to(app: typer.Typer) -> None:
    """Hang the commands into the program."""
    app.add_typer(_app, name="pipeline")


@_app.command("list")
def list_pipelines(context: typer.Context) -> None:
    """List pipelines and their stages, in order."""
    from mailcrm.render import Column
    from mailcrm.store import pipelines

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        rows = pipelines.pipelines(db)
    if invocation.display.as_json:
        invocation.display.document(rows)
        return
    invocation.display.table(
        [
            Column(heading="#", right=True, style="cyan"),
            Column(heading="PIPELINE", ratio=2),
            Column(heading="STAGE #", right=True, style="cyan"),
            Column(heading="STAGE", ratio=3),
        ],
        [(row.id, row.name, stage.id, stage.name) for row in rows for stage in row.stages],
        empty="No pipelines.",
    )


@_app.command("create")
def create(
    context: typer.Context,
    name: _NewName,
    stage: Annotated[list[str], typer.Option(metavar="S", help="its stages in order; to be repeated")],
) -> None:
    """Make a pipeline with its stages."""
    from mailcrm.store import pipelines

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        made = pipelines.create_pipeline(db, name=name, stages=stage)
    steps = ", ".join(one.name for one in made.stages)
    invocation.display.done(f"Pipeline {made.id} {made.name} is made: {steps}.", made)


@_app.command("rename")
def rename(context: typer.Context, pipeline: _Pipeline, name: _NewName) -> None:
    """Call a pipeline otherwise."""
    from mailcrm.store import pipelines

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        changed = pipelines.rename_pipeline(db, pipelines.pipeline(db, pipeline), name)
    invocation.display.done(f"Pipeline {changed.id} is called {changed.name}.", changed)


@_app.command("delete")
def delete(context: typer.Context, pipeline: _Pipeline, yes: record.Yes = False) -> None:
    """Delete a pipeline that has no deals."""
    from mailcrm.store import pipelines

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        found = pipelines.pipeline(db, pipeline)
        pipelines.require_deletable(db, found)
        told = f"Its stages go: {', '.join(one.name for one in found.stages)}."
        record.agree_to_delete(invocation, f"pipeline {found.id} {found.name}", told, yes=yes)
        pipelines.delete_pipeline(db, found)
    invocation.display.done(f"Pipeline {found.id} {found.name} is deleted.", {"deleted": found})


@_app.command("add-stage")
def add_stage(
    context: typer.Context,
    pipeline: _Pipeline,
    name: _NewName,
    after: Annotated[
        str | None, typer.Option(metavar="STAGE", help="behind this one; at the end when left out")
    ] = None,
    first: Annotated[bool, typer.Option("--first", help="before all others")] = False,
) -> None:
    """Add a stage to a pipeline."""
    from mailcrm.core.errors import UsageError
    from mailcrm.store import pipelines

    invocation: Invocation = context.obj
    if first and after is not None:
        raise UsageError("Say --after or --first, not both.", hint="Leave one of them out.")
    with invocation.open_store() as db:
        found = pipelines.pipeline(db, pipeline)
        following = found.stages if first else ()
        if after is not None:
            place = found.stages.index(pipelines.stage(found, after))
            following = found.stages[place + 1 :]
        changed = pipelines.add_stage(db, found, name, before=following[0] if following else None)
    _tell(invocation, changed)


@_app.command("rename-stage")
def rename_stage(context: typer.Context, pipeline: _Pipeline, stage: _Stage, name: _NewName) -> None:
    """Call a stage otherwise."""
    from mailcrm.store import pipelines

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        found = pipelines.pipeline(db, pipeline)
        changed = pipelines.rename_stage(db, found, pipelines.stage(found, stage), name)
    _tell(invocation, changed)


@_app.command("remove-stage")
def remove_stage(context: typer.Context, pipeline: _Pipeline, stage: _Stage) -> None:
    """Remove a stage in which no deal is."""
    from mailcrm.store import pipelines

    invocation: Invocation = context.obj
    with invocation.open_store() as db:
        found = pipelines.pipeline(db, pipeline)
        changed = pipelines.remove_stage(db, found, pipelines.stage(found, stage))
    _tell(invocation, changed)


def _tell(invocation: Invocation, changed: "Pipeline") -> None:
    steps = ", ".join(one.name for one in changed.stages)
    invocation.display.done(f"Pipeline {changed.id} {changed.name}: {steps}.", changed)
