from datetime import timedelta

import argon2
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import selectinload

from benchmarks.peers import cursors, rules
from benchmarks.peers.fastapi_app import schemas
from benchmarks.peers.fastapi_app.dependencies import CurrentUser, Session, issue, unauthorized
from benchmarks.peers.fastapi_app.models import Doctor, Mapping, Patient, PatientVersion, User

app = FastAPI()


class Invalid(HTTPException):
    """A 400 with an error on a field."""

    def __init__(self, field, message):
        super().__init__(400, {field: [message]})


@app.exception_handler(RequestValidationError)
async def validation_error(request: Request, error: RequestValidationError):
    """Respond as DRF does: a 400 with the messages by field."""
    fields = {}
    for problem in error.errors():
        where = problem["loc"][1:]
        field = "detail" if problem["type"] == "json_invalid" else where[0] if where else "non_field_errors"
        fields.setdefault(field, []).append(problem["msg"])
    return JSONResponse(fields, 400)


@app.exception_handler(Invalid)
async def invalid(request: Request, error: Invalid):
    return JSONResponse(error.detail, 400)


@app.post("/api/auth/login/", response_model=schemas.Tokens)
async def login(credentials: schemas.Credentials, session: Session):
    user = await session.scalar(select(User).where(func.lower(User.email) == credentials.email.lower()))
    try:
        # In a thread, so that it does not block the event loop.
        await run_in_threadpool(
            rules.HASHER.verify, user.password.removeprefix("argon2") if user else "", credentials.password
        )
    except (argon2.exceptions.VerifyMismatchError, argon2.exceptions.InvalidHash):
        user = None
    if user is None or not user.is_active:
        raise unauthorized("No active account with this e-mail and password.")
    return {
        "access": issue("access", user, timedelta(minutes=15)),
        "refresh": issue("refresh", user, timedelta(days=7)),
    }


@app.get("/api/patients/", response_model=list[schemas.PatientOut])
async def list_patients(
    request: Request,
    response: Response,
    session: Session,
    user: CurrentUser,
    limit: str | None = None,
    cursor: str | None = None,
):
    patients = select(Patient).where(Patient.user_id == user.id).order_by(Patient.id)
    if limit is None:
        return (await session.scalars(patients)).all()
    try:
        size, after = cursors.after(limit, cursor)
    except ValueError as error:
        raise Invalid("limit", str(error)) from None
    rows = (await session.scalars(patients.where(Patient.id > after).limit(size + 1))).all()
    if len(rows) > size:
        response.headers["Link"] = cursors.link(request.url.replace(query=""), size, rows[size - 1].id)
    return rows[:size]


@app.get("/api/patients/{pk}/", response_model=schemas.PatientOut)
async def read_patient(pk: int, session: Session, user: CurrentUser):
    return await own_patient(pk, session, user)


async def own_patient(pk, session, user):
    patient = await session.scalar(select(Patient).where(Patient.id == pk, Patient.user_id == user.id))
    if patient is None:
        raise HTTPException(404, "Not found.")
    return patient


async def commit(session):
    try:
        await session.commit()
    except IntegrityError:
        raise Invalid("non_field_errors", "This exists already.") from None


@app.post("/api/patients/", response_model=schemas.PatientOut, status_code=201)
async def create_patient(body: schemas.PatientIn, session: Session, user: CurrentUser, history: bool = False):
    patient = Patient(**body.model_dump(), user_id=user.id)
    session.add(patient)
    if history:
        try:
            await session.flush()
        except IntegrityError:
            raise Invalid("non_field_errors", "This exists already.") from None
        kept = {"id": patient.id, "created_at": patient.created_at, "user_id": user.id}
        session.add(PatientVersion(**body.model_dump(), **kept, history_type="+", history_user_id=user.id))
    await commit(session)
    return patient


@app.put("/api/patients/{pk}/", response_model=schemas.PatientOut)
async def update_patient(pk: int, body: schemas.PatientIn, session: Session, user: CurrentUser):
    patient = await own_patient(pk, session, user)
    for name, value in body.model_dump(exclude_unset=True).items():
        setattr(patient, name, value)
    await commit(session)
    return patient


@app.delete("/api/patients/{pk}/", response_model=schemas.Detail)
async def delete_patient(pk: int, session: Session, user: CurrentUser):
    patient = await own_patient(pk, session, user)
    await session.execute(delete(Mapping).where(Mapping.patient_id == pk))
    await session.delete(patient)
    await commit(session)
    return {"detail": "Patient deleted."}


@app.get("/api/mappings/{pk}/", response_model=list[schemas.AssignedDoctorOut])
async def doctors_of_patient(pk: int, session: Session, user: CurrentUser):
    await own_patient(pk, session, user)
    assigned = (
        select(Mapping).where(Mapping.patient_id == pk).order_by(Mapping.id).options(selectinload(Mapping.doctor))
    )
    return [
        schemas.AssignedDoctorOut(
            **{column.name: getattr(mapping.doctor, column.name) for column in Doctor.__table__.columns},
            mapping_id=mapping.id,
            assigned_at=mapping.assigned_at,
        )
        for mapping in await session.scalars(assigned)
    ]


@app.post("/api/mappings/", response_model=schemas.MappingOut, status_code=201)
async def assign_doctor(body: schemas.MappingIn, session: Session, user: CurrentUser):
    own = select(Patient.id).where(Patient.id == body.patient, Patient.user_id == user.id)
    if await session.scalar(own) is None:
        raise Invalid("patient", "There is no such patient.")
    if await session.get(Doctor, body.doctor) is None:
        raise Invalid("doctor", "There is no such doctor.")
    mapping = Mapping(patient_id=body.patient, doctor_id=body.doctor, user_id=user.id)
    session.add(mapping)
    await commit(session)
    return mapping
