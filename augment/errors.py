"""The errors a user can cause: each is one line that says what is wrong, where, and what to do next."""


class IngrainError(Exception):
    """A mistake or a lack that the user can mend; command lines print it in one line and exit with code 2."""

    def __init__(self, what: str, todo: str = "") -> None:
        self.what, self.todo = what, todo
        super().__init__(f"{what}; {todo}" if todo else what)


class ConfigError(IngrainError):
    """A pipeline file that says something it may not say."""


class DocumentError(IngrainError):
    """A document that cannot be read or studied."""


class ModelError(IngrainError):
    """A model that is missing, broken or in a format that is never loaded."""


class TemplateError(IngrainError):
    """A prompt template that does not render."""


class EngineError(IngrainError):
    """A generation engine that does not start or died."""


class RequestError(EngineError):
    """A request that its engine gave up; asking again is no use."""


class StoppedError(EngineError):
    """An engine that will answer no request of this run: a wrong key, an unknown model. The run stops."""


class DeadEngineError(EngineError):
    """An engine that died; a new one may do the same units."""


class DatasetError(IngrainError):
    """A dataset or a run on disk that is missing or broken."""


class PluginError(IngrainError):
    """An installed package whose strategy, engine or filter cannot be used."""


class RunError(IngrainError):
    """A training run that cannot go on."""


class EndedError(RunError):
    """A training run that was asked to end; its state is saved."""


class DivergedError(RunError):
    """A training run whose loss is no number any more."""
