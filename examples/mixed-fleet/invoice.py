"""The workflow of workflow.ts in the words of buquet: the same names and dependencies give the same definition hash."""

from buquet.workflow import Workflow

invoice = Workflow("invoice")


async def elsewhere(_context):
    raise NotImplementedError("this step runs in TypeScript")


invoice.step("check")(elsewhere)
invoice.step("approval", depends_on=["score"])(elsewhere)
invoice.step("pay", depends_on=["check", "score", "approval"])(elsewhere)


@invoice.step("score", depends_on=["check"])
async def score(context):
    """Gets the input of the run; results of earlier steps are not handed to Python."""
    return {"risk": "high" if context.data["amount"] > 1000 else "low"}
