"""The Pulumi program: settings in, components composed, outputs exported."""

from pathlib import Path

import pulumi

from infra.deployments import deploy
from infra.pricing import estimate, load_rates
from infra.settings import read_settings

settings = read_settings()
for warning in settings.warnings:
    pulumi.log.warn(warning)

deployed = deploy(settings)
first = deployed[0]

# What decides how a caller speaks to the URL: a scaled app is an app.
pulumi.export("hosting", "app" if settings.hosting == "scale" else settings.hosting)
pulumi.export("executorUrl", first.url)
pulumi.export("executorUrls", {app.key: app.url for app in deployed})
pulumi.export("fqdn", first.host)
pulumi.export("appName", first.name)
pulumi.export("imageDigest", first.image)
pulumi.export("imageDigests", {app.key: app.image for app in deployed})
pulumi.export("revision", first.revision)
pulumi.export("minReplicas", first.min_replicas)
pulumi.export("maxReplicas", first.max_replicas)
if first.store_url is not None:
    pulumi.export("storeUrl", first.store_url)

if settings.stack_readme:
    # Pulumi Cloud shows it beside the stack, with the outputs filled in.
    pulumi.export("readme", Path("Pulumi.README.md").read_text(encoding="utf-8"))

if sizes := [app.size for app in deployed if app.size is not None]:
    rates = load_rates()
    cost = estimate(sizes, rates, settings.scaling.windows)
    pulumi.export(
        "estimatedCost",
        {
            "currency": cost.currency,
            "idleDay": round(cost.idle_day, 2),
            "busyDay": round(cost.busy_day, 2),
            "contest": round(cost.contest, 2),
            "contests": round(cost.windows, 2),
            "month": round(cost.month, 2),
            "ratesOf": rates.date.isoformat(),
        },
    )
