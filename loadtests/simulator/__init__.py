"""The provider simulator: stands in for the paid LLM APIs and is the ground truth of every money test.

It speaks OpenAI's, Azure OpenAI's and Anthropic's protocols, misbehaves on request (`directives`), and keeps
its own append-only bill (`bill`), priced by its own hand-typed table (`prices`). It imports nothing of the
system it tests.
"""
