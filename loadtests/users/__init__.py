"""Users for locust: chat over HTTP, plain and streamed, and over the topics; and what a run of them must reach."""
