"""The tracking store: its database stands where it is told, whatever the folder is called."""

import pytest

from ganflow.reporting.tracking_store import DATABASE, TrackingStore


@pytest.mark.slow
def test_a_path_that_means_something_in_addresses_is_a_path(tmp_path, monkeypatch):
    folder = tmp_path / "what?mode=ro#x" / "50%20of ü'{a}"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    for runs in (1, 2):
        with TrackingStore().client() as client:
            home = TrackingStore().experiment_id(client, "one")
            client.create_run(home)
            assert len(client.search_runs([home])) == runs
    assert [path.name for path in folder.iterdir()] == [DATABASE.name]
    assert [path.name for path in tmp_path.iterdir()] == ["what?mode=ro#x"]
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
