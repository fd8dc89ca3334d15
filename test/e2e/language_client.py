#!/usr/bin/python3
"""netc-lsp by pytest-lsp, a client that knows the protocol's types and refuses messages that do not have them: what each request answers, restarts, 1,000 random
edits. tools/install-test-packages.sh fetches the client; test/e2e/language_server.py checks what the answers say."""
import asyncio
import os
import pathlib
import random
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
from compiled import MODELS, NETC
from report import Report

PACKAGE = pathlib.Path(os.environ.get("NETC_BUILD", pathlib.Path(NETC).parents[1])) / "pytest-lsp"
sys.path.insert(0, str(PACKAGE))
try:
    import pytest_lsp
    from lsprotocol import types
except ImportError:
    pytest_lsp = None

SERVER = pathlib.Path(NETC).parent / "netc-lsp"
TEXT = (MODELS / "resnet.net").read_text()


class Session:
    """A started server with a text open."""

    def __init__(self, text=TEXT):
        self.text, self.version = text, 1
        self.folder = tempfile.TemporaryDirectory(prefix="netc-client-")
        self.uri = (pathlib.Path(self.folder.name).resolve() / "a.net").as_uri()

    async def __aenter__(self):
        self.client = pytest_lsp.make_test_lsp_client()
        await self.client.start_io(str(SERVER))
        await self.client.initialize_session(types.InitializeParams(capabilities=pytest_lsp.client_capabilities("neovim")))
        item = types.TextDocumentItem(uri=self.uri, language_id="net", version=self.version, text=self.text)
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(text_document=item))
        return self

    async def __aexit__(self, *_):
        await self.client.shutdown_session()
        await self.client.stop()
        self.folder.cleanup()

    @property
    def document(self):
        return types.TextDocumentIdentifier(uri=self.uri)

    def place(self, at):
        """Of an offset, or of '^' in a piece of the text."""
        if isinstance(at, str):
            at = self.text.index(at.replace("^", "")) + at.index("^")
        before = self.text[:at]
        return types.Position(line=before.count("\n"), character=len(before[before.rfind("\n") + 1:].encode("utf-16-le")) // 2)

    def edit(self, begin, end, piece):
        self.version += 1
        changed = types.Range(start=self.place(begin), end=self.place(end))
        self.text = self.text[:begin] + piece + self.text[end:]
        self.client.text_document_did_change(types.DidChangeTextDocumentParams(
            text_document=types.VersionedTextDocumentIdentifier(uri=self.uri, version=self.version),
            content_changes=[types.TextDocumentContentChangePartial(range=changed, text=piece)]))

    async def ask(self, name, at=None, **more):
        """An answer to a request: its type is checked by the client."""
        kinds = {"hover": "HoverParams", "completion": "CompletionParams", "signature_help": "SignatureHelpParams", "definition": "DefinitionParams",
                 "references": "ReferenceParams", "document_highlight": "DocumentHighlightParams", "prepare_rename": "PrepareRenameParams", "rename": "RenameParams",
                 "document_symbol": "DocumentSymbolParams", "formatting": "DocumentFormattingParams", "inlay_hint": "InlayHintParams", "code_action": "CodeActionParams"}
        given = {"text_document": self.document, **({} if at is None else {"position": self.place(at)}), **more}
        return await asyncio.wait_for(getattr(self.client, f"text_document_{name}_async")(getattr(types, kinds[name])(**given)), 30)

    async def messages(self):
        """Diagnostics of the newest text: a request's answer comes after them."""
        await self.ask("document_symbol")
        return list(self.client.diagnostics.get(self.uri, []))


def whole():
    return types.Range(start=types.Position(line=0, character=0), end=types.Position(line=999, character=0))


async def requests():
    claims = []

    def check(name, good, found):
        claims.append((f"{name}: {str(found)[:200]}", int(not good), 0.5))
    async with Session() as session:
        found = await session.messages()
        check("messages", not found, found)
        found = await session.ask("hover", "image | co^nv(")
        check("hover", "torch.nn.Conv2d" in found.contents.value and "[64, 112, 112]" in found.contents.value, found)
        found = await session.ask("hover", "enumerate(dep^ths)")
        check("hover of a value", "[2, 2, 2, 2]" in found.contents.value, found)
        found = await session.ask("completion", "image | ^conv(")
        check("completion", any(item.label == "maxpool" for item in found.items), len(found.items))
        found = await session.ask("signature_help", "image | conv(^")
        check("signature", found.signatures[0].label.startswith("conv("), found)
        found = await session.ask("definition", "= resnet(ba^sic")
        found = found[0] if isinstance(found, list) else found
        check("definition", found.range.start.line == session.text[:session.text.index("block basic")].count("\n"), found)
        found = await session.ask("references", "= resnet(ba^sic", context=types.ReferenceContext(include_declaration=True))
        check("references", len(found) > 2, found)
        found = await session.ask("document_highlight", "= resnet(ba^sic")
        check("highlights", len(found) > 2, found)
        check("prepare rename", await session.ask("prepare_rename", "= resnet(ba^sic"), "nothing")
        found = await session.ask("rename", "= resnet(ba^sic", new_name="simple")
        check("rename", len(found.changes[session.uri]) > 2, found)
        found = await session.ask("document_symbol")
        check("symbols", "resnet18" in [each.name for each in found], found)
        found = await session.ask("inlay_hint", range=whole())
        check("hints", any("[64, 56, 56]" in str(each.label) for each in found), found)
        found = await session.ask("formatting", options=types.FormattingOptions(tab_size=2, insert_spaces=True))
        check("formatting", found is not None and all("model resnet18" in edit.new_text for edit in found), found)
        at = session.text.index("maxpool(")
        session.edit(at, at + 7, "maxpol")
        found = await session.messages()
        check("message", "did you mean 'maxpool'" in str(found), found)
        found = await session.ask("code_action", range=whole(), context=types.CodeActionContext(diagnostics=found))
        check("action", found[0].edit.changes[session.uri][0].new_text == "maxpool", found)
    return claims


async def restarts():
    codes = []
    for _ in range(3):
        async with Session() as session:
            await session.messages()
            server = session.client._server
        codes.append(server.returncode)
    return [(f"exit codes {codes}", int(codes != [0, 0, 0]), 0.5)]


async def random_edits():
    """All answers have their types, and the server lives."""
    draw = random.Random(3)
    pieces = ["(", ")", "{", "}", "[", "]", "|", ",", "=", "\n", " ", "conv", "x", "é", "😀", '"', "#", "if ", "..", "1e9", "train "]
    names = ("hover", "completion", "signature_help", "definition", "document_highlight")
    async with Session() as session:
        for index in range(1000):
            begin = draw.randrange(len(session.text) + 1)
            session.edit(begin, min(len(session.text), begin + draw.choice([0, 0, 1, 3, 40])), draw.choice(pieces))
            if index % 10 == 0:
                await session.ask(draw.choice(names), draw.randrange(len(session.text) + 1))
            if index % 50 == 0:
                await session.ask("inlay_hint", range=whole())
                await session.messages()
            if index % 100 == 99:
                session.edit(0, len(session.text), TEXT)
        session.edit(0, len(session.text), TEXT)
        return [("messages after all", len(await session.messages()), 0.5)]


def main():
    report = Report("language_client")
    if pytest_lsp is None:
        report.line("UNSUPPORTED", "client", "no pytest-lsp (tools/install-test-packages.sh)")
        report.close()
    for case in (requests, restarts, random_edits):
        report.case(case.__name__, lambda case=case: asyncio.run(case()))
    report.close()


if __name__ == "__main__":
    main()
