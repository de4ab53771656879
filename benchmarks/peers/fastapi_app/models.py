"""Models of the tables that the project's migrations created."""

from datetime import UTC, datetime

from sqlalchemy import BigInteger, DateTime, ForeignKey, SmallInteger
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    type_annotation_map = {datetime: DateTime(timezone=True), int: BigInteger}


def now():
    return datetime.now(UTC)


class User(Base):
    __tablename__ = "accounts_user"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str]
    password: Mapped[str]
    is_active: Mapped[bool]


class Patient(Base):
    __tablename__ = "patients_patient"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    age: Mapped[int] = mapped_column(SmallInteger)
    gender: Mapped[str]
    phone: Mapped[str]
    address: Mapped[str]
    email: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=now)
    user_id: Mapped[int] = mapped_column(ForeignKey("accounts_user.id"))


class PatientVersion(Base):
    __tablename__ = "patients_historicalpatient"
    history_id: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[int]
    name: Mapped[str]
    age: Mapped[int] = mapped_column(SmallInteger)
    gender: Mapped[str]
    phone: Mapped[str]
    address: Mapped[str]
    email: Mapped[str]
    created_at: Mapped[datetime]
    user_id: Mapped[int]
    history_date: Mapped[datetime] = mapped_column(default=now)
    history_type: Mapped[str]
    history_user_id: Mapped[int]


class Doctor(Base):
    __tablename__ = "doctors_doctor"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    age: Mapped[int | None] = mapped_column(SmallInteger)
    gender: Mapped[str]
    specialization: Mapped[str]
    email: Mapped[str]
    phone: Mapped[str]
    address: Mapped[str]
    created_at: Mapped[datetime]
    user_id: Mapped[int] = mapped_column(ForeignKey("accounts_user.id"))


class Mapping(Base):
    __tablename__ = "mappings_mapping"
    id: Mapped[int] = mapped_column(primary_key=True)
    patient_id: Mapped[int] = mapped_column(ForeignKey("patients_patient.id"))
    doctor_id: Mapped[int] = mapped_column(ForeignKey("doctors_doctor.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("accounts_user.id"))
    assigned_at: Mapped[datetime] = mapped_column(default=now)
    doctor: Mapped[Doctor] = relationship()
