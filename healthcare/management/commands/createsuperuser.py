from django.contrib.auth.management.commands import createsuperuser


class Command(createsuperuser.Command):
    # Unique by a constraint on its lower-case form, which Django's command does not detect.
    username_is_unique = True
