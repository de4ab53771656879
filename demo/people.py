"""Invented users, doctors, patients and assignments: plausible, valid, and reproducible by a seed.

They do not belong to real people: e-mails end in the reserved domain example.com (RFC 2606), and phone numbers are
generated from a counter.
"""

from datetime import datetime, timedelta
from random import Random
from typing import Any

from django.utils import timezone
from django.utils.text import slugify
from faker import Faker

from accounts.models import User
from doctors.models import Doctor
from healthcare.fields import GENDERS
from mappings.models import Mapping
from patients.models import Patient

# The age of the oldest record.
SPAN = timedelta(days=60)
# The calling code of each locale of Faker (ITU-T E.164).
CALLING_CODES = {
    "de_DE": 49,
    "el_GR": 30,
    "en_GB": 44,
    "en_IN": 91,
    "en_US": 1,
    "es_ES": 34,
    "fr_FR": 33,
    "pl_PL": 48,
    "pt_BR": 55,
    "uk_UA": 380,
}
# Percentages of GENDERS.
GENDER_WEIGHTS = (48, 49, 1, 2)
SPECIALIZATIONS = (
    "Anesthesiologist",
    "Cardiologist",
    "Dermatologist",
    "Emergency physician",
    "Endocrinologist",
    "Gastroenterologist",
    "General practitioner",
    "General surgeon",
    "Geriatrician",
    "Gynecologist",
    "Hematologist",
    "Internist",
    "Nephrologist",
    "Neurologist",
    "Oncologist",
    "Ophthalmologist",
    "Orthopedic surgeon",
    "Otolaryngologist",
    "Pediatrician",
    "Psychiatrist",
    "Pulmonologist",
    "Radiologist",
    "Rheumatologist",
    "Urologist",
)


class Inventor:
    """Generate unsaved records from a seed; their timestamps are relative to now.

    Patients, doctors and mappings have the `_history_user` and `_history_date` of their first version.
    """

    def __init__(self, seed: str) -> None:
        self.random = Random(seed)  # noqa: S311, not used for secrets
        faker = Faker(list(CALLING_CODES))
        faker.seed_instance(seed)
        self.countries = [(faker[locale], code) for locale, code in CALLING_CODES.items()]
        self.now = timezone.now()
        self.start = self.now - SPAN

    def user(self, email: str, password_hash: str) -> User:
        joined = self.start - SPAN * self.random.random()
        return User(name=self.person()["name"], email=email, password=password_hash, date_joined=joined)

    def doctor(self, number: int, count: int, users: list[User], domain: str) -> Doctor:
        """Return doctor `number` of `count`; the number makes the e-mail unique in the domain."""
        person = self.person(number)
        return self.with_history(
            Doctor(
                **{**person, "name": f"Dr. {person['name']}"},
                age=round(self.random.triangular(27, 72, 40)),
                specialization=self.random.choice(SPECIALIZATIONS),
                email=email_of(person["name"], number, domain),
                created_at=self.created_at(number, count),
                user=self.random.choice(users),
            )
        )

    def patient(self, number: int, count: int, users: list[User]) -> Patient:
        """Return patient `number` of `count`; the number makes the phone unique."""
        person = self.person(number)
        age = round(self.random.triangular(0, 98, 45))
        reached_by_email = age >= 14 and self.random.random() < 0.7
        return self.with_history(
            Patient(
                **person,
                age=age,
                email=email_of(person["name"], number, "example.com") if reached_by_email else "",
                created_at=self.created_at(number, count),
                user=self.random.choice(users),
            )
        )

    def mappings(self, count: int, patients: list[Patient], doctors: list[Doctor]) -> list[Mapping]:
        """Return `count` mappings of different pairs, each created by the patient's user within a week."""
        pairs = self.random.sample(range(len(patients) * len(doctors)), count)
        return [self.mapping(patients[pair // len(doctors)], doctors[pair % len(doctors)]) for pair in sorted(pairs)]

    def mapping(self, patient: Patient, doctor: Doctor) -> Mapping:
        known = max(patient.created_at, doctor.created_at)
        assigned_at = known + min(self.now - known, timedelta(days=7)) * self.random.random()
        return self.with_history(Mapping(patient=patient, doctor=doctor, user=patient.user, assigned_at=assigned_at))

    def person(self, number: int = 0) -> dict[str, Any]:
        """Return the fields that patients and doctors share, as keyword arguments."""
        fake, code = self.random.choice(self.countries)
        (gender,) = self.random.choices(GENDERS, GENDER_WEIGHTS)
        suffix = f"_{gender}" if gender in ("male", "female") else ""
        first, last = (getattr(fake, f"{part}_name{suffix}")() for part in ("first", "last"))
        return {
            "name": f"{first} {last}",
            "gender": gender,
            # 3 ** 18 and 10 ** 9 are coprime, so that a billion numbers give distinct, random-looking phones.
            "phone": f"+{code}{(number + 1) * 3**18 % 10**9:09d}",
            "address": fake.address(),
        }

    def created_at(self, number: int, count: int) -> datetime:
        """Return the timestamp of record `number` of `count`: ascending, and denser towards today."""
        return self.start + SPAN * ((number + self.random.random()) / count) ** 0.7

    @staticmethod
    def with_history(record: Any) -> Any:
        record._history_user = record.user
        record._history_date = record.assigned_at if isinstance(record, Mapping) else record.created_at
        return record


def email_of(name: str, number: int, domain: str) -> str:
    return f"{slugify(name) or 'nn'}-{number}@{domain}"
