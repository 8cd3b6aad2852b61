"""Dashboards for Grafana: what is on them is written here, their SQL in `sql/`; `python -m infra.grafana` writes both
into `dashboards/`, which Grafana reads as `provisioning/` tells it.
"""
