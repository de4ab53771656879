"""Serializer and model fields with custom behaviour work on both databases, as DRF and Django document."""

import pytest
from rest_framework import serializers

from conftest import PATIENT
from healthcare.tests.api.probes import LISTS, OTHER, PROBE, READS, STATUSES, UPDATES, WRITES, serve
from patients.models import Patient
from patients.serializers import PatientSerializer
from patients.views import PatientViewSet


class Initials(serializers.CharField):
    def to_representation(self, value):
        return value[:1]


class AccountSerializer(serializers.Serializer):
    email = serializers.EmailField()


class OwnerEmail(serializers.Field):
    def get_attribute(self, instance):
        return instance.user.email

    def to_representation(self, value):
        return value


FIELDS = {
    "method": (serializers.SerializerMethodField(), "Alice Smith of olive.owner@example.com"),
    "custom representation": (Initials(source="name", read_only=True), "A"),
    "custom attribute": (OwnerEmail(read_only=True), "olive.owner@example.com"),
    "formatted": (serializers.DateTimeField(source="created_at", format="%Y", read_only=True), str),
    "of a relation": (serializers.EmailField(source="user.email", read_only=True), "olive.owner@example.com"),
    "of another kind": (serializers.CharField(source="age", read_only=True), "30"),
    "nested": (AccountSerializer(source="user", read_only=True), {"email": "olive.owner@example.com"}),
    "slug": (serializers.SlugRelatedField("email", source="user", read_only=True), "olive.owner@example.com"),
}


def with_field(field):
    """Return a subclass of the patient's serializer with a read-only field `extra`."""

    class Probe(PatientSerializer):
        extra = field

        class Meta(PatientSerializer.Meta):
            fields = [*PatientSerializer.Meta.fields, "extra"]

        def get_extra(self, instance):
            return f"{PATIENT['name']} of {self.context['request'].user.email}"

    return Probe


@pytest.mark.parametrize("action", sorted(READS | WRITES - {"destroy"}))
@pytest.mark.parametrize(("field", "expected"), FIELDS.values(), ids=FIELDS)
def test_a_field_that_is_no_column_is_in_every_response(settings, send, action, field, expected):
    serve(settings, type("Probe", (PatientViewSet,), {"serializer_class": with_field(field)}))

    response = send(action)

    row = response.json()[0] if action in LISTS else response.json()
    assert response.status_code == STATUSES.get(action, 200)
    if isinstance(expected, type):
        assert isinstance(row["extra"], expected)
    elif expected == "A":
        assert row["extra"] == row["name"][0]
    else:
        assert row["extra"] == expected


def test_a_field_sees_the_request_and_the_instance(settings, send, owner):
    seen = []

    class Watching(serializers.CharField):
        def to_internal_value(self, data):
            seen.append((self.context["request"].user, getattr(self.parent.instance, "name", None)))
            return super().to_internal_value(data)

    class Probe(PatientSerializer):
        name = Watching()

    serve(settings, type("Probe", (PatientViewSet,), {"serializer_class": Probe}))

    for action in ("create", "update"):
        send(action)

    assert seen == [(owner.user, None), (owner.user, PATIENT["name"])]


def test_a_serializer_may_drop_fields_for_one_user(settings, owner, stranger, patient):
    class Probe(PatientSerializer):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            if self.context["request"].user == owner.user:
                self.fields.pop("address")

    serve(settings, type("Probe", (PatientViewSet,), {"serializer_class": Probe}))

    mine, theirs = (client.post(PROBE, OTHER).json() for client in (owner, stranger))

    assert theirs.keys() - mine.keys() == {"address"}
    assert "address" not in owner.get(PROBE).json()[0]
    assert "address" in stranger.get(PROBE).json()[0]


def test_a_view_may_change_a_field_for_one_request_only(settings, owner):
    class Probe(PatientViewSet):
        def get_serializer(self, *args, **kwargs):
            serializer = super().get_serializer(*args, **kwargs)
            if self.request.META.get("HTTP_X_STRICT"):
                serializer.fields["address"].required = True
            return serializer

    serve(settings, Probe)
    body = {name: value for name, value in PATIENT.items() if name != "address"}

    answers = [owner.post(PROBE, {**body, "name": name}, **headers) for name, headers in TWICE]

    assert [answer.status_code for answer in answers] == [201, 400, 201]


TWICE = [("A", {}), ("B", {"X-Strict": "1"}), ("C", {})]


@pytest.mark.parametrize("action", sorted(UPDATES))
def test_a_timestamp_of_the_last_change_moves(settings, send, monkeypatch, patient, action):
    monkeypatch.setattr(Patient._meta.get_field("created_at"), "auto_now", True)
    serve(settings, type("Probe", (PatientViewSet,), {}))

    send(action)

    assert Patient.objects.get().created_at > patient.created_at


class Shouting(type(Patient._meta.get_field("name"))):
    def pre_save(self, model_instance, add):
        setattr(model_instance, self.attname, super().pre_save(model_instance, add).upper())
        return getattr(model_instance, self.attname)


@pytest.mark.parametrize("action", sorted(WRITES - {"destroy"}))
def test_a_field_computes_its_value_before_it_is_saved(settings, send, monkeypatch, action):
    monkeypatch.setattr(Patient._meta.get_field("name"), "__class__", Shouting)
    serve(settings, type("Probe", (PatientViewSet,), {}))

    response = send(action)

    assert response.json()["name"] == "BOB"
    assert Patient.objects.filter(name="BOB").exists()


class Whispering(type(Patient._meta.get_field("name"))):
    def from_db_value(self, value, expression, connection):
        return value.lower()


@pytest.mark.parametrize("action", sorted(READS | {"partial_update"}))
def test_a_field_converts_what_it_reads(settings, send, monkeypatch, action):
    monkeypatch.setattr(Patient._meta.get_field("name"), "__class__", Whispering)
    serve(settings, type("Probe", (PatientViewSet,), {}))

    rows = send(action if action in READS else "list").json()

    assert (rows[0] if action in LISTS else rows[0] if isinstance(rows, list) else rows)["name"] == "alice smith"
