"""The dashboards of config/grafana against Grafana's types, real databases, Prometheus' own parser and prying eyes."""
