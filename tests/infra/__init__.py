"""Tests of the deployment: its settings, and the whole Pulumi program against doubles of the engine and of Azure."""
