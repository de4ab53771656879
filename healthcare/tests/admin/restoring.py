"""Restore deleted records in the admin."""

from django.urls import reverse


def restore(browser, model, version):
    url = reverse(f"admin:{model._meta.app_label}_historical{model._meta.model_name}_changelist")
    return browser.post(url, {"action": "restore", "_selected_action": [version.pk]}, follow=True)
