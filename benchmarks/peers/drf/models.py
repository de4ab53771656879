"""Models of the tables that the project's migrations created."""

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.core.validators import MaxValueValidator
from django.db import models
from django.utils import timezone

from healthcare import fields


class UserManager(BaseUserManager):
    def get_by_natural_key(self, email):
        return self.get(email__iexact=email)


class User(AbstractBaseUser, PermissionsMixin):
    name = fields.LineField()
    email = models.EmailField(max_length=254)
    is_staff = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    date_joined = models.DateTimeField(default=timezone.now)

    objects = UserManager()
    USERNAME_FIELD = "email"

    class Meta:
        managed = False
        db_table = "accounts_user"

    def __str__(self):
        return self.email


class Patient(models.Model):
    name = fields.LineField()
    age = models.PositiveSmallIntegerField(validators=[MaxValueValidator(150)])
    gender = fields.GenderField()
    phone = fields.PhoneField(blank=True)
    address = models.TextField(max_length=1000, blank=True, validators=[fields.validate_text])
    email = models.EmailField(max_length=254, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    user = models.ForeignKey(User, on_delete=models.PROTECT)

    class Meta:
        managed = False
        db_table = "patients_patient"
        ordering = ["id"]

    def __str__(self):
        return self.name


class Doctor(models.Model):
    name = fields.LineField()
    age = models.PositiveSmallIntegerField(null=True, blank=True)
    gender = fields.GenderField(blank=True)
    specialization = fields.LineField()
    email = models.EmailField(max_length=254)
    phone = fields.PhoneField(blank=True)
    address = models.TextField(max_length=1000, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    user = models.ForeignKey(User, on_delete=models.PROTECT)

    class Meta:
        managed = False
        db_table = "doctors_doctor"
        ordering = ["id"]

    def __str__(self):
        return self.name


class Mapping(models.Model):
    patient = models.ForeignKey(Patient, on_delete=models.CASCADE)
    doctor = models.ForeignKey(Doctor, on_delete=models.PROTECT)
    user = models.ForeignKey(User, on_delete=models.PROTECT)
    assigned_at = models.DateTimeField(default=timezone.now)

    class Meta:
        managed = False
        db_table = "mappings_mapping"
        ordering = ["id"]

    def __str__(self):
        return f"{self.patient_id} → {self.doctor_id}"
