"""Of the pushes that schemathesis makes, those that are whole ask for verdicts and name a source that there is."""

import schemathesis


@schemathesis.hook
def before_call(context, case, **_):
    if case.operation.path == "/push" and isinstance(case.body, dict) and isinstance(case.body.get("df"), dict):
        case.body["verdicts"] = True
        case.body["push_source_name"] = "profiles"
