from django.contrib.auth.management.commands import createsuperuser


class Command(createsuperuser.Command):
    # By a constraint on its lower-case form, where Django's command does not look.
    username_is_unique = True
