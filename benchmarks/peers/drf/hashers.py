from django.contrib.auth import hashers


class Argon2PasswordHasher(hashers.Argon2PasswordHasher):
    time_cost, memory_cost, parallelism = 2, 19_456, 1
