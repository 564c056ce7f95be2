#!/bin/sh
# Every released record, table and figure but those of trainings (their commands: docs/davi.md), from nothing: some hours of solving on a CPU; resumable, since
# complete cells are not run again. Run from the repository's root as 'make reproduce', or 'make reproduce DEVICE=cuda'. LPIPS with VGG16 is fetched. A table of
# the cells with their times ends it.
set -e
device=${DEVICE:-auto}
if [ "$device" = cuda ]; then batch=64; else batch=16; fi
run() { invbench run device="$device" batch_size=$batch "$@"; }
tasks=denoise,sr4,inpaint,deblur,colorize

invbench fetch lpips_vgg

# Photographs: all 66 crops, as published. On a CPU RED-diff takes 4 hours, DPS 3 and FPS 1; DPS was run in TF32 on a GPU but for inpaint.
run solver=davi,ddrm,ddnm,ddnm_plus,diffpir,pigdm,wiener,ddim,red_diff task=$tasks
run solver=dps task=sr4,deblur,inpaint
run solver=fps task=sr4,deblur
run solver=i2sb,cddb task=sr4,deblur,inpaint solver.nfe=1,20,100 references=false
# As tuned: 'invbench tune solver=NAME task=NAME objective=lpips_alex' and objective=psnr.
run solver=ddrm task=denoise,deblur,inpaint settings=lpips_alex references=false
run solver=ddrm task=sr4,colorize settings=psnr references=false
run solver=ddnm_plus,diffpir task=sr4,deblur,inpaint settings=lpips_alex references=false
run solver=ddnm_plus,diffpir task=denoise,colorize settings=lpips_alex references=false
# DAVI's other recipe, and samples of both.
run solver=davi task=sr4,deblur,inpaint settings=variational references=false
run solver=davi task=sr4,deblur,inpaint settings=variational samples=8 n=22 references=false out=results/samples
run solver=davi task=sr4,deblur,inpaint solver.temperature=1 samples=8 n=22 references=false out=results/samples

# Masks that DAVI was not trained for (B.3), and images of another kind than the prior's (Figs. 7 and 8).
out="references=false out=results/masks"
run solver=davi task=inpaint settings=unknown_mask $out
run solver=davi task=inpaint settings=unknown_mask task.box=49 $out
run solver=davi task=inpaint task.box=49 solver.transfer=true $out
run solver=davi task=inpaint,inpaint_anywhere,inpaint_strokes $out
run solver=davi task=inpaint_strokes solver.weights=inpaint solver.transfer=true $out
run solver=ddrm,ddnm_plus task=inpaint,inpaint_strokes $out
run solver=ddrm,ddnm_plus task=inpaint task.box=49 $out
run solver=davi,ddrm,ddnm_plus task=sr4,deblur,inpaint dataset.split=other,moving,face references=false out=results/other
run solver=i2sb task=sr4,deblur,inpaint solver.nfe=20 dataset.split=other,moving,face references=false out=results/other

# Table 3: the noise level is hidden.  Table 9: Poisson noise.  Solvers that need a level are told 0.05, as in the paper.
run solver=davi,ddrm,ddnm_plus,pigdm task=deblur task.noise='uniform 0.01..0.1 [-1,1]' \
    assume='0.05 [-1,1]' n=22 references=false
run solver=davi,ddnm_plus,pigdm task=deblur,sr4 task.noise='poisson 1.0' assume='0.05 [-1,1]' n=22 references=false
# And the level that the noise has.
run solver=ddrm,ddnm_plus,pigdm task=deblur task.noise='uniform 0.01..0.1 [-1,1]' assume=effective n=22 references=false
run solver=ddnm_plus,pigdm task=deblur,sr4 task.noise='poisson 1.0' assume=effective n=22 references=false

# Against posteriors that are known.
run benchmark=gmm task=$tasks solver=ddrm,ddnm,ddnm_plus,pigdm,diffpir,mcg,ddim,fps,red_diff,dps n=16 samples=16
run benchmark=gmm task=$tasks solver=dmps n=16 samples=16
run benchmark=gmm task=denoise,deblur solver=dmps settings=crps n=16 samples=16  # elsewhere it is the default
run benchmark=gmm task=denoise,sr4 solver=daps n=16 samples=16
run benchmark=gmm task=sr4 solver=daps settings=crps n=16 samples=16  # elsewhere it is not tuned
run benchmark=gmm2d task=denoise solver=davi,ddrm,ddnm,ddnm_plus,pigdm,diffpir,fps,red_diff,mcg,dps n=16 samples=64

# Tables 4 and 13: what a solve costs, on its own.
OMP_NUM_THREADS=1 invbench bench solver=davi,ddrm,ddnm_plus,diffpir,pigdm,red_diff,fps,dps task=sr4 --repeats 5 --limit 20

for out in runs masks other; do invbench rescore benchmark=photos --out results/$out; done
rm -rf results/released
for benchmark in photos gmm gmm2d; do
    invbench release results/released benchmark=$benchmark
done
for part in samples masks other; do invbench release results/released/$part benchmark=photos --out results/$part; done
for part in controls recipes ablations samples; do  # those of trainings are kept
    if [ -d results/reference/$part ]; then mkdir -p results/released && cp -rn results/reference/$part results/released/; fi
done
rm -rf results/reference && mv results/released results/reference

for task in denoise sr4 inpaint deblur colorize; do
    if [ $task = denoise ]; then sigma=0.2; else sigma=0.05; fi
    invbench figure benchmark=photos task=$task "noise=gaussian $sigma [-1,1]" --rows 3 --zoom \
        --solvers davi,ddrm,ddnm_plus,diffpir,pigdm --to docs/images/solvers-$task.png
done
invbench figure benchmark=photos task=sr4 'noise=gaussian 0.05 [-1,1]' --rows 3 --zoom \
    --solvers bicubic,davi,ddrm,ddnm_plus,pigdm --to docs/images/sr4.png
invbench figure front benchmark=photos 'noise=gaussian 0.05 [-1,1]' --cost seconds --metric lpips_alex \
    --solvers davi,ddrm,ddnm_plus,diffpir,pigdm --to docs/images/front.png
invbench figure benchmark=gmm2d task=denoise --to docs/images/solvers-gmm2d.png
python docs/figures/scheme.py --to docs/images/davi-scheme.png
python docs/figures/bridge.py --to docs/images/davi-bridge.png
python docs/figures/ikl.py --to docs/images/davi-ikl.png
python docs/update.py
invbench table --times --out reference
