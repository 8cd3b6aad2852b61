"""stub"""
from observatory.adapters.providers.openai_answers import StreamedCompletion as StreamedMessage, completion as message_answer
