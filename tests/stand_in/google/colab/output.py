"""The page around the output cell: there is none, so nothing is run in it."""

callbacks = {}


def register_callback(name: str, function) -> None:
    callbacks[name] = function


def enable_custom_widget_manager() -> None:
    """Nothing to do."""


def disable_custom_widget_manager() -> None:
    """Nothing to do."""


def clear(*_, **__) -> None:
    """Nothing to do."""


def eval_js(script: str, **_):
    raise RuntimeError(f"there is no browser to run this in: {script[:60]}")
