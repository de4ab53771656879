"""CSV files of patients, and the command that imports them."""

from io import StringIO

from django.core.management import CommandError, call_command

from patients.models import Patient

HEADER = "name,age,gender,phone,address,email"
ALICE = "Alice Smith,30,Female,9876543210,street 123,aliceS@gmail.com"
BOB = "Bob Jones,7,male,+44 20-7946,,"


def run(path, client, **options):
    """Run the import; return its output and the messages about refused rows."""
    out, err = StringIO(), StringIO()
    try:
        call_command("import_patients", str(path), user=client.user.email.upper(), stdout=out, stderr=err, **options)
    except CommandError as error:
        return out.getvalue(), f"{err.getvalue()}{error}"
    return out.getvalue(), err.getvalue()


def names():
    return list(Patient.objects.values_list("name", flat=True))
