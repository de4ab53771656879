"""The whole flow by the client that openapi-python-client generates: every answer is the model the document names."""

import os
import re
import sys
from http import HTTPStatus

from generated_client import AuthenticatedClient, Client, models
from generated_client.api.accounts import get_account, log_in, log_out, refresh_tokens, register
from generated_client.api.doctors import create_doctor, list_doctor_patients, list_doctors
from generated_client.api.mappings import create_mapping, delete_mapping, list_mappings
from generated_client.api.patients import (
    create_patient,
    delete_patient,
    get_patient,
    get_patient_history,
    list_patient_doctors,
    list_patients,
    update_patient,
)

base = os.environ["BASE"]
email = "python@example.com"


def parsed(response, status=HTTPStatus.OK):
    if response.status_code != status:
        sys.exit(f"error: {response.status_code}, not {status}: {response.content}")
    return response.parsed


client = Client(base_url=base)
account = parsed(
    register.sync_detailed(
        client=client, body=models.RegisterRequest(name="Pat Python", email=email, password="password123")
    ),
    HTTPStatus.CREATED,
)
tokens = parsed(log_in.sync_detailed(client=client, body=models.LoginRequest(email=email, password="password123")))
client = AuthenticatedClient(base_url=base, token=tokens.access)
assert parsed(get_account.sync_detailed(client=client)) == account

created = [
    parsed(create_patient.sync_detailed(client=client, body=body), HTTPStatus.CREATED)
    for body in [
        models.PatientRequest(name="Only Required", age=7, gender="unknown"),
        models.PatientRequest(
            name="Everything Given", age=30, gender="F", phone="9876543210", address="street 1", email="e@example.com"
        ),
        models.PatientRequest(name="Third Page", age=99, gender="Male"),
    ]
]
assert (created[0].phone, created[0].email, created[0].address) == ("", "", "")

paged, cursor = [], None
while True:
    page = list_patients.sync_detailed(client=client, limit=2, **({"cursor": cursor} if cursor else {}))
    paged += parsed(page)
    following = re.search(r"[?&]cursor=([^&>]+)", page.headers.get("Link", ""))
    if not following:
        break
    cursor = following[1]
assert paged == created
assert [
    patient.age
    for patient in parsed(
        list_patients.sync_detailed(client=client, age_max=30, ordering=models.ListPatientsOrdering("-age"))
    )
] == [
    30,
    7,
]

doctor = parsed(
    create_doctor.sync_detailed(
        client=client,
        body=models.DoctorRequest(name="Dr. Python", specialization="Cardiologist", email="dr.python@example.com"),
    ),
    HTTPStatus.CREATED,
)
assert (doctor.age, doctor.gender) == (None, "")
assert doctor in parsed(list_doctors.sync_detailed(client=client))

patient = created[0]
mapping = parsed(
    create_mapping.sync_detailed(client=client, body=models.DoctorMappingRequest(patient=patient.id, doctor=doctor.id)),
    HTTPStatus.CREATED,
)
assert [assigned.mapping_id for assigned in parsed(list_patient_doctors.sync_detailed(patient.id, client=client))] == [
    mapping.id
]
assert parsed(list_doctor_patients.sync_detailed(doctor.id, client=client)) == [patient]
assert parsed(list_mappings.sync_detailed(client=client, patient=patient.id)) == [mapping]

etag = get_patient.sync_detailed(patient.id, client=client).headers["ETag"]
change = models.PatchedPatientRequest(age=8)
changed = parsed(update_patient.sync_detailed(patient.id, client=client, body=change, if_match=etag))
assert changed.age == 8
stale = update_patient.sync_detailed(patient.id, client=client, body=change, if_match=etag)
assert isinstance(parsed(stale, HTTPStatus.PRECONDITION_FAILED), models.Detail)
refused = create_patient.sync_detailed(client=client, body=models.PatientRequest(name="", age=-1, gender="robot"))
assert set(parsed(refused, HTTPStatus.BAD_REQUEST).additional_properties) == {"name", "age", "gender"}
versions = parsed(get_patient_history.sync_detailed(patient.id, client=client))
assert [(version.action, version.by) for version in versions] == [("changed", account.id), ("created", account.id)]
assert [(change.field, change.old, change.new) for change in versions[0].changes] == [("age", 7, 8)]

parsed(delete_mapping.sync_detailed(mapping.id, client=client))
parsed(delete_patient.sync_detailed(patient.id, client=client))
parsed(get_patient.sync_detailed(patient.id, client=client), HTTPStatus.NOT_FOUND)
tokens = parsed(refresh_tokens.sync_detailed(client=client, body=models.RefreshRequest(refresh=tokens.refresh)))
parsed(log_out.sync_detailed(client=client, body=models.RefreshRequest(refresh=tokens.refresh)))
print("openapi-python-client: the whole flow passed.")
