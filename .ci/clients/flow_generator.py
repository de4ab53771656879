"""The whole flow by the client that openapi-generator generates for Python, whose models validate each answer."""

import os
import re

import generated_generator as api
from generated_generator.exceptions import ApiException

email = "generator@example.com"
configuration = api.Configuration(host=os.environ["BASE"])
client = api.ApiClient(configuration)
accounts, patients = api.AccountsApi(client), api.PatientsApi(client)
doctors, mappings = api.DoctorsApi(client), api.MappingsApi(client)

account = accounts.register(api.RegisterRequest(name="Gen Generator", email=email, password="password123"))
tokens = accounts.log_in(api.LoginRequest(email=email, password="password123"))
configuration.access_token = tokens.access
assert accounts.get_account() == account

created = [
    patients.create_patient(body)
    for body in [
        api.PatientRequest(name="Only Required", age=7, gender="unknown"),
        api.PatientRequest(
            name="Everything Given", age=30, gender="F", phone="9876543210", address="street 1", email="e@example.com"
        ),
        api.PatientRequest(name="Third Page", age=99, gender="Male"),
    ]
]
assert (created[0].phone, created[0].email, created[0].address) == ("", "", "")

paged, cursor = [], None
while True:
    page = patients.list_patients_with_http_info(limit=2, cursor=cursor)
    paged += page.data
    following = re.search(r"[?&]cursor=([^&>]+)", page.headers.get("Link", ""))
    if not following:
        break
    cursor = following[1]
assert paged == created

doctor = doctors.create_doctor(
    api.DoctorRequest(name="Dr. Generator", specialization="Cardiologist", email="dr.generator@example.com")
)
assert (doctor.age, doctor.gender) == (None, "")
assert doctor in doctors.list_doctors()

patient = created[0]
mapping = mappings.create_mapping(api.DoctorMappingRequest(patient=patient.id, doctor=doctor.id))
assert [assigned.mapping_id for assigned in patients.list_patient_doctors(patient.id)] == [mapping.id]
assert doctors.list_doctor_patients(doctor.id) == [patient]
assert mappings.list_mappings(patient=patient.id) == [mapping]

etag = patients.get_patient_with_http_info(patient.id).headers["ETag"]
change = api.PatchedPatientRequest(age=8)
assert patients.update_patient(patient.id, if_match=etag, patched_patient_request=change).age == 8
for call, status in [
    (lambda: patients.update_patient(patient.id, if_match=etag, patched_patient_request=change), 412),
    (lambda: patients.create_patient(api.PatientRequest(name="Robot", age=1, gender="robot")), 400),
]:
    try:
        call()
    except ApiException as error:
        assert error.status == status
    else:
        raise AssertionError(f"no {status}")
versions = patients.get_patient_history(patient.id)
assert [(version.action, version.by) for version in versions] == [("changed", account.id), ("created", account.id)]
assert [(change.var_field, change.old, change.new) for change in versions[0].changes] == [("age", 7, 8)]

mappings.delete_mapping(mapping.id)
patients.delete_patient(patient.id)
tokens = accounts.refresh_tokens(api.RefreshRequest(refresh=tokens.refresh))
accounts.log_out(api.RefreshRequest(refresh=tokens.refresh))
print("openapi-generator: the whole flow passed.")
