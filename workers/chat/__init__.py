"""The chat worker: reads `chat.requests`, calls the providers, answers on `chat.responses`, accounts on `llm.calls`."""
