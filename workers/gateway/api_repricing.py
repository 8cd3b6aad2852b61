"""`/api/v1/repricing`: jobs that cost calls again, and their reports. They are begun by `observatory reprice`.

A key sees the jobs that are about its tenant alone. Where no key is needed, all can be seen.
"""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Path, Query

from observatory.adapters.postgres.repricing import Job, Line, list_jobs, read_job, read_report
from observatory.rules.limits import MAX_PAGE
from schemas.http_repricing import RepricedGroup, RepricingJob, RepricingJobs, RepricingReport
from workers.gateway.access import Access
from workers.gateway.api_bodies import Asker
from workers.gateway.database import Database
from workers.gateway.refusals import not_found

JobId = Annotated[int, Path(ge=1, lt=2**63)]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]


class RepricingDesk:
    """Jobs for clients that wait: 503 while the database is away, 404 for what is not theirs to see."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, access: Access, limit: int) -> RepricingJobs:
        """The newest ones."""
        tenant = None if access.api_key_id is None else access.tenant_id
        jobs = await self._database.run_or_refuse(lambda pool: list_jobs(pool, limit, tenant))
        return RepricingJobs(jobs=[_job(job) for job in jobs])

    async def report(self, access: Access, job_id: int) -> RepricingReport:
        """Raises `Refusal` 404."""
        job = await self._database.run_or_refuse(lambda pool: read_job(pool, job_id))
        if job is None or (access.api_key_id is not None and job.tenant_id != access.tenant_id):
            raise not_found(f"there is no job {job_id}")
        lines, total = await self._database.run_or_refuse(lambda pool: read_report(pool, job_id))
        return RepricingReport(job=_job(job), total=_group(total), groups=[_group(line) for line in lines])


def repricing_router(desk: RepricingDesk) -> APIRouter:
    """The endpoints."""
    router = APIRouter(prefix="/api/v1/repricing", tags=["repricing"])

    @router.get("")
    async def page(access: Asker, limit: Limit = 20) -> RepricingJobs:
        """The newest jobs and how far they are."""
        return await desk.list(access, limit)

    @router.get("/{job_id}")
    async def report(access: Asker, job_id: JobId) -> RepricingReport:
        """What calls did cost and what they would cost, exact, by tenant and model."""
        return await desk.report(access, job_id)

    return router


def _job(job: Job) -> RepricingJob:
    known = asdict(job)
    return RepricingJob(**{name: known[name] for name in RepricingJob.model_fields})


def _group(line: Line) -> RepricedGroup:
    return RepricedGroup(**asdict(line))
