"""Request and response bodies, with the project's field rules."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictInt

from benchmarks.peers import rules


class Credentials(BaseModel):
    email: str
    password: str


class Tokens(BaseModel):
    access: str
    refresh: str


class PatientIn(BaseModel):
    name: Annotated[str, BeforeValidator(rules.line)]
    age: Annotated[int, BeforeValidator(rules.age)]
    gender: Annotated[str, BeforeValidator(rules.gender)]
    phone: Annotated[str, BeforeValidator(rules.phone)] = ""
    address: Annotated[str, BeforeValidator(rules.address)] = ""
    email: Annotated[str, BeforeValidator(rules.email)] = ""


class PatientOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    age: int
    gender: str
    phone: str
    address: str
    email: str
    created_at: datetime
    user: int = Field(validation_alias="user_id")


class DoctorOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    age: int | None
    gender: str
    specialization: str
    email: str
    phone: str
    address: str
    created_at: datetime
    user: int = Field(validation_alias="user_id")


class AssignedDoctorOut(DoctorOut):
    mapping_id: int
    assigned_at: datetime


class MappingIn(BaseModel):
    patient: StrictInt
    doctor: StrictInt


class MappingOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    assigned_at: datetime
    patient: int = Field(validation_alias="patient_id")
    doctor: int = Field(validation_alias="doctor_id")
    user: int = Field(validation_alias="user_id")


class Detail(BaseModel):
    detail: str
