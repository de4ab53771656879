"""The pages of the admin."""

PAGES = [
    "accounts_user",
    "patients_patient",
    "doctors_doctor",
    "mappings_mapping",
    "patients_historicalpatient",
    "doctors_historicaldoctor",
    "mappings_historicalmapping",
]
