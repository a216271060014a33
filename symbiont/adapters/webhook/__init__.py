"""Webhooks over HTTP: implements `ports.Notifier`."""

from symbiont.adapters.webhook.sender import Target, WebhookSender

__all__ = ["Target", "WebhookSender"]
