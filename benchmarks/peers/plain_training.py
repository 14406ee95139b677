"""Training as most people write it: ImageFolder, torchvision's transforms, a DataLoader with a worker for each core, Adam.

In float32, at one learning rate; no channels_last, no bfloat16, no schedule, no average of the weights: ordinary loops have
none of them. It validates after each epoch, and writes a line of CSV.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, Subset
from torchvision import datasets, transforms

from training import networks

SIDE = 150


def arguments() -> argparse.Namespace:
    """Data, the files of the split, network, and what the loop can be told."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", type=Path, required=True, help="JSON: train and validation, each a list of species/file")
    parser.add_argument("--network", required=True)
    parser.add_argument("--species", type=int, required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--device", required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True, help="CSV: epoch, seconds, validation_accuracy")
    return parser.parse_args()


def loader(options: argparse.Namespace, part: str, changes: list[nn.Module]) -> DataLoader[Any]:
    """Batches of one part of the split: float32 [B,3,150,150] in 0–1 and int64 [B]."""
    transform = transforms.Compose([transforms.Resize((SIDE, SIDE)), *changes, transforms.ToTensor()])
    folder = datasets.ImageFolder(str(options.data), transform)
    row = {Path(file).relative_to(options.data).as_posix(): number for number, (file, _) in enumerate(folder.samples)}
    files = json.loads(options.split.read_text())[part]
    return DataLoader(
        Subset(folder, [row[file] for file in files]),
        batch_size=options.batch_size,
        shuffle=part == "train",
        num_workers=torch.get_num_threads(),  # the cores this process may use
        pin_memory=options.device == "cuda",
        persistent_workers=True,
    )


def accuracy(network: nn.Module, validation: DataLoader[Any], device: str) -> float:
    """Share of the validation images that are told right."""
    network.eval()
    right = total = 0
    with torch.no_grad():
        for images, labels in validation:
            answers = network(images.to(device)).argmax(1).cpu()
            right += int((answers == labels).sum())
            total += len(labels)
    return right / total


def main() -> None:
    """Train, a line after each epoch."""
    options = arguments()
    torch.manual_seed(options.seed)
    changes = [transforms.RandomHorizontalFlip(), transforms.RandomVerticalFlip(), transforms.RandomRotation(180)]
    train, validation = loader(options, "train", changes), loader(options, "validation", [])
    network = networks.build(options.network, options.species).to(options.device)
    optimizer = torch.optim.Adam(network.parameters(), lr=options.rate)
    criterion = nn.CrossEntropyLoss()
    with options.out.open("w") as out:
        print("epoch,seconds,validation_accuracy", file=out, flush=True)
        for epoch in range(1, options.epochs + 1):
            began = time.perf_counter()
            network.train()
            for images, labels in train:
                optimizer.zero_grad()
                loss = criterion(network(images.to(options.device)), labels.to(options.device))
                loss.backward()
                optimizer.step()
            right = accuracy(network, validation, options.device)
            print(f"{epoch},{time.perf_counter() - began:.2f},{right}", file=out, flush=True)


if __name__ == "__main__":
    main()
