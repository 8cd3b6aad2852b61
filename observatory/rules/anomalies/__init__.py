"""Anomalies of a tenant's model: cost rate, error rate, latency and tokens a call against what is usual. Pure.

`detector.step(series, window)` is the whole of it: a window of some seconds in, alarms raised or resolved out.
"""
